"""Known findings: written down once, counted, only ever fewer."""
