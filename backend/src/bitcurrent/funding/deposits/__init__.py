"""Deposits by card: asked for, paid at the processor, credited once; and the bonus that a first one may bring."""
