"""The demo: settings and a token made once, two dozen exchanges of every kind, and the documents that they became.

In reading order: ``state`` (files), ``traffic`` (exchanges), ``arrivals`` (documents), ``summary`` (both, by outcome).
"""
