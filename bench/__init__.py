"""Measurements: ratios between two things done side by side, in turn, in one run. `make bench` prints them."""
