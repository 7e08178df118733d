"""SMTP: hands our letters to a mail server. In the demo that is the sandbox's mailbox."""
