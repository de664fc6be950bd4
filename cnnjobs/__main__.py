"""`python -m cnnjobs`: the same as `cnnjobs`."""

from cnnjobs.cli.main import run

if __name__ == "__main__":
    run()
