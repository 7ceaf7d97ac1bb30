"""Runs a program of C# on CoreCLR. usage: coreclr.py PROGRAM [ARGUMENT ...]; exit status 77 without a runtime."""

import os
import sys

import hosts


def main():
    host = hosts.coreclr()
    if host is None:
        return 77
    command = hosts.command(host, *sys.argv[1:])
    os.execv(command[0], command)


if __name__ == "__main__":
    sys.exit(main())
