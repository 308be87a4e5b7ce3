"""Looks for secrets in files, in every form in which they could be left behind.

usage: secrets.py [--key FILE]... [--word TEXT]... PATH...

A key is a private key in PEM form; parts of it are looked for as DER, in base64 at
each alignment, and in hexadecimal. A word is looked for as it is and in base64. In
any case no file may hold a PEM block of a private key. Names the files that hold
something, and never what; the exit status is 1 then.
"""

import argparse
import base64
import os
import re
import sys

BLOCK = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----(.*?)-----END", re.S)


def in_base64(data):
    """The characters that stand for the data wherever it begins in a text."""
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + data)
        yield text[4 if shift else 0 : -4]


def forms_of_key(path):
    der = base64.b64decode(BLOCK.search(open(path, "rb").read()).group(1))
    # The public part comes first in some forms: the end of RSA and the middle of
    # ECDSA keys are secret. 24 octets are enough to be no accident.
    for start in (len(der) - 30,) if len(der) > 300 else (36, 40):
        part = der[start : start + 24]
        yield part
        yield part.hex().encode()
        yield from in_base64(part)


def forms_of_word(word):
    yield word.encode()
    if len(word) >= 12:
        yield from in_base64(word.encode())


def files_below(paths):
    for path in paths:
        if os.path.isfile(path):
            yield path
        for folder, _, names in os.walk(path):
            yield from (os.path.join(folder, name) for name in names)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--key", action="append", default=[])
    parser.add_argument("--word", action="append", default=[])
    parser.add_argument("path", nargs="+")
    asked = parser.parse_args()
    wanted = [b"PRIVATE KEY-----"]
    for key in asked.key:
        wanted += forms_of_key(key)
    for word in asked.word:
        wanted += forms_of_word(word)
    looked, found = 0, []
    for path in files_below(asked.path):
        try:
            with open(path, "rb") as file:
                data = file.read()
        except OSError:  # sockets, and what is gone meanwhile
            continue
        looked += 1
        # One line of base64 after another is one text; JSON writes the ends as \n.
        joined = data.replace(b"\\n", b"").replace(b"\n", b"")
        if any(form in data or form in joined for form in wanted):
            found.append(path)
    print(f"{looked} files, {len(wanted)} forms" if not found else "\n".join(found))
    sys.exit(1 if found or not looked else 0)


main()
