"""Second factors prove that somebody is who the password says: authenticator apps, passkeys, recovery codes, texts.

They complete a login, make a session fresh for what matters most (step-up), and can be given up only slowly and
with everybody told. A passkey that verifies its user also stands for the password.
"""
