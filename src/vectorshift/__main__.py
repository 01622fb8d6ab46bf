"""`python -m vectorshift`: the command line."""

from vectorshift.cli import main

main()
