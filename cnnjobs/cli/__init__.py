"""Commands: parse, call, exit code. Nouns: command, option, LaunchOptions. Prints nothing itself, but by console/."""
