"""Withdrawals: asked for, confirmed, screened, approved, sent, settled; each of them paid once or not at all."""
