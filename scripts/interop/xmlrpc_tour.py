"""Makes the round of xmlrpc.sh with Python's xmlrpc.client.

Call: xmlrpc_tour.py URL FOLDER. Logs in, imports a PKCS #12 file, activates it, lists,
makes a multicall, and hears every fault of FOLDER/faults.tsv. Prints "ok" or "FAIL"
and a text, a line for each thing that was checked.
"""

import base64
import pathlib
import sys
import xmlrpc.client


def check(text, passed, explanation=""):
    print("ok" if passed else "FAIL", f"Python {text}" + (f": {explanation}" if explanation and not passed else ""), flush=True)


def value(typ, text):
    return {"s": str, "i": int, "b": base64.b64decode}[typ](text)


def arguments(columns, active):
    members = {}
    for column in columns:
        name, text = column.split("=", 1)
        name, typ = name.split(":")
        members[name] = value(typ, text.replace("{active}", active))
    return members


def main():
    url, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    server = xmlrpc.client.ServerProxy(url, use_builtin_types=True)
    sessions = {"nobody": {}}
    for role in ("manager", "viewer"):
        token = (folder / role).read_text(encoding="ascii").strip()
        sessions[role] = {"session": server.session.login({"user": "", "password": token})}
    manager = sessions["manager"]
    check("logs in", len(manager["session"]) >= 32)

    pkcs12 = (folder / "python.p12").read_bytes()
    imported = server.certificate.import_pkcs12({**manager, "pkcs12": pkcs12, "password": "interop", "label": "Python & <ü>"})
    check("imports PKCS #12", imported["state"] == "inactive" and imported["label"] == "Python & <ü>", str(imported))
    activated = server.certificate.activate({**manager, "id": imported["id"]})
    check("activates it", activated["state"] == "active" and activated["applied"] is True, str(activated))
    states = {entry["id"]: entry["state"] for entry in server.certificate.list(manager)}
    check("lists it as active", states.get(imported["id"]) == "active", str(states))

    multicall = xmlrpc.client.MultiCall(server)
    multicall.gateway.default_fqdn(manager)
    multicall.certificate.active(manager)
    multicall.no.such_method()
    replies = multicall().results
    check("makes a multicall", replies[0] == ["gateway.example"] and replies[1][0]["id"] == imported["id"]
          and replies[2]["faultCode"] == -32601, str(replies))

    for line in (folder / "faults.tsv").read_text(encoding="ascii").splitlines():
        code, who, method, *columns = line.split("\t")
        try:
            got = getattr(server, method)({**sessions[who], **arguments(columns, imported["id"])})
        except xmlrpc.client.Fault as fault:
            got = fault.faultCode
        check(f"hears {code} from {method}", got == int(code), repr(got))


if __name__ == "__main__":
    main()
