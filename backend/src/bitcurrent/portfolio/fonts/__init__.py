"""The typeface of PDFs: DejaVu Sans in Latin, Greek and Cyrillic. Its licence lies beside it."""
