"""Figures for people: one question form over any field of an event, and the same answers from either store."""
