"""The weeks before the demo's first start, as events: what the teams would have sent, written as a gateway writes it.

In reading order: ``rhythm`` (how busy a moment is), ``happening`` (what happened in ten minutes), ``bodies`` (what was
asked and answered), ``events`` (its events), ``writing`` (into a journal of its own).
"""
