"""What tests share: real servers, the sandbox as a process, and words to speak with both."""
