"""Checks SGLetsEncrypt.ps1 as far as that goes without PowerShell.

Call: lint_powershell.py FOLDER. The scripts must parse without an error and call nothing
but their own functions and known commands. The recorded vectors must be what others make
of the same input: Python's base64, hashlib and json, its xmlrpc.client, and OpenSSL, which
reads the private key and verifies the signature. Exit code 1 says that something is wrong.
"""

import base64
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import xmlrpc.client

import tree_sitter
import tree_sitter_powershell

COMMANDS = {
    "Add-Type", "ConvertFrom-Json", "ConvertTo-Json", "ForEach-Object", "Get-Content", "Join-Path", "New-Object",
    "Select-Object", "Set-StrictMode", "Start-Sleep", "Where-Object", "Write-Host", "Write-Verbose",
}
faults = []


def expect(what, got, want):
    if got != want:
        faults.append(f"{what}: {got!r}, want {want!r}")


# --- the scripts -----------------------------------------------------------------


def nodes(node):
    yield node
    for child in node.children:
        yield from nodes(child)


def functions_of(root):
    """Returns the number of parameters of each function, by name."""
    return {
        node.children[1].text.decode(): sum(child.type == "script_parameter" for child in nodes(node))
        for node in nodes(root) if node.type == "function_statement"
    }


def parse(path, known):
    """Checks a script and returns its functions; it may call those of known as well."""
    source = path.read_bytes()
    if not source.isascii():
        faults.append(f"{path.name}: Windows PowerShell reads what is not ASCII by its code page")
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))
    root = parser.parse(source).root_node
    for node in nodes(root):
        if node.type == "ERROR" or node.is_missing:
            faults.append(f"{path.name}:{node.start_point[0] + 1}: cannot be parsed")
    functions = known | functions_of(root)
    for node in nodes(root):
        name = node.text.decode() if node.type == "command_name" else ""
        if re.fullmatch(r"[A-Z]\w*-\w[\w-]*", name) and name not in functions and name not in COMMANDS:
            faults.append(f"{path.name}:{node.start_point[0] + 1}: {name} is unknown")
    return functions


# --- the vectors -----------------------------------------------------------------


def octets(value):
    return bytes.fromhex(value["hex"])


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def compact(value):
    return json.dumps(value, separators=(",", ":"))


def openssl(*arguments):
    return subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False).stdout


def key_numbers(pem):
    """Returns the numbers of a private key as OpenSSL reads them."""
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(pem)
        file.flush()
        text = openssl("rsa", "-in", file.name, "-noout", "-text")
    found = re.findall(r"^\w+:\s+((?:[0-9a-f]{2}:?\s*)+)$", text, re.MULTILINE)
    return [int(re.sub(r"[\s:]", "", number), 16) for number in found]


def number_of(element):
    """Reads a short DER INTEGER."""
    expect("a DER INTEGER", (element[0], element[1]), (2, len(element) - 2))
    return int.from_bytes(element[2:], "big", signed=True)


def jwk(modulus, exponent):
    return compact({"e": base64url(octets(exponent)), "kty": "RSA", "n": base64url(octets(modulus))})


def protected_header(nonce, url, key):
    return compact({"alg": "RS256", **json.loads("{" + key + "}"), "nonce": nonce, "url": url})


def order_payload(names):
    return compact({"identifiers": [{"type": "dns", "value": name} for name in names]})


def flattened_jws(signing_input, signature):
    protected, payload = signing_input.split(".")
    return compact({"protected": protected, "payload": payload, "signature": base64url(octets(signature))})


def der_length(length):
    if length < 128:
        return bytes([length])
    size = (length.bit_length() + 7) // 8
    return bytes([128 | size]) + length.to_bytes(size, "big")


# What each function must return, in the words of Python.
MODELS = {
    "ConvertTo-Base64Url": lambda data: base64url(octets(data)),
    "ConvertTo-Base64UrlText": lambda text: base64url(text.encode()),
    "ConvertTo-Jwk": jwk,
    "Get-Thumbprint": lambda text: base64url(hashlib.sha256(text.encode()).digest()),
    "ConvertTo-JsonText": json.dumps,
    "New-ProtectedHeader": protected_header,
    "New-OrderPayload": order_payload,
    "New-SigningInput": lambda header, payload: base64url(header.encode()) + "." + base64url(payload.encode()),
    "New-Jws": flattened_jws,
    "ConvertTo-DerLength": lambda length: {"hex": der_length(length).hex()},
    "Split-List": lambda values: [part.strip() for part in ",".join(values).split(",") if part.strip()],
    "Test-SafeUrl": lambda url: url.startswith(("https://", "http://127.0.0.1:")),
}


def check_call(want, method, members):
    """Python's reader of XML-RPC finds in the body what was put in."""
    expect("the call " + method, xmlrpc.client.loads(want), ((members,), method))


def check_key(want, numbers, pem):
    der = base64.b64decode("".join(pem.strip().split("\n")[1:-1]))
    expect("the DER of the key", octets(want), der)
    given = [int(number["hex"], 16) for number in numbers]
    read = key_numbers(pem)
    expect("the numbers of the key but the exponent", given[1:2] + given[3:], read)


def check_signature(jws, pem):
    parts = json.loads(jws)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        (path / "key").write_text(pem, encoding="ascii")
        (path / "text").write_text(parts["protected"] + "." + parts["payload"], encoding="ascii")
        (path / "signature").write_bytes(base64.urlsafe_b64decode(parts["signature"] + "=="))
        said = openssl("dgst", "-sha256", "-prverify", f"{folder}/key", "-signature", f"{folder}/signature", f"{folder}/text")
    expect("OpenSSL on the signature", said.strip(), "Verified OK")


def check_vector(vector, pem):
    name, arguments, want = vector["function"], vector["arguments"], vector["want"]
    if name in MODELS:
        expect(name, want, MODELS[name](*arguments))
    elif name == "New-XmlRpcCall":
        check_call(want, *arguments)
    elif name == "ConvertTo-XmlText":
        body = f"<params><param><value>{want}</value></param></params>"
        expect(name, xmlrpc.client.loads(body), ((arguments[0],), None))
    elif name == "ConvertTo-DerInteger":
        expect(name, number_of(octets(want)), int(arguments[0]["hex"], 16))
    elif name == "ConvertTo-DerSequence":
        check_key(want, arguments[0], pem)
    elif name != "ConvertTo-Pem":
        faults.append(f"{name} has a vector that nothing holds")
    if name == "New-Jws":
        check_signature(want, pem)


def main():
    folder = pathlib.Path(sys.argv[1])
    functions = parse(folder / "SGLetsEncrypt.ps1", {})
    parse(folder / "SGLetsEncrypt.Tests.ps1", functions)
    vectors = json.loads((folder / "testdata" / "SGLetsEncrypt.json").read_text(encoding="ascii"))
    pem = next(vector["want"] for vector in vectors if vector["function"] == "ConvertTo-Pem")
    for vector in vectors:
        expect(vector["function"] + " takes", functions.get(vector["function"]), len(vector["arguments"]))
        check_vector(vector, pem)
    for fault in faults:
        print("FAIL ", fault)
    print(f"{len(functions)} functions parsed, {len(vectors)} vectors, {len(faults)} faults; PowerShell itself was not run")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
