"""Answers in the shapes that existing scripts know: ``control.dialect: reference``."""
