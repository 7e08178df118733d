"""The house's own rules, where no ready tool knows them: run by `make check`."""
