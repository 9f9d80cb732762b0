#!/usr/bin/env python3
"""A plugin as an executable, for the tests: it speaks the protocol on its standard input and output."""

import hashlib
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def interface():
    with open(os.path.join(HERE, "notes.dts"), "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def path(name):
    return os.path.join("notes", name)


def seen(name):
    try:
        with open(path(name)) as file:
            text = file.read()
    except FileNotFoundError:
        return "absent"
    return {"object": {"id": name, "outputs": {"letters": len(text)}, "inputs": {"text": text}}}


def fail(message, **data):
    return {"error": {"code": -32000, "message": message, "data": data}}


def answer(method, params):
    inputs = params.get("inputs", {})
    if method == "hello":
        return {"result": {"protocol": 1, "name": "notes", "version": "1.0.0", "kinds": ["Note"], "interface": interface()}}
    if method == "configure":
        return {"result": {"config": 1}}
    if method == "find":
        return {"result": {"ids": [inputs["name"]] if os.path.exists(path(inputs["name"])) else []}}
    if method == "read":
        return {"result": seen(params["id"])}
    if method == "read_many":
        return {"result": [seen(call["id"]) for call in params["calls"]]}
    if method in ("create", "update"):
        fault = inputs.get("fault")
        if fault == "exit":
            sys.exit(3)
        if fault == "garbage":
            print("Traceback: this is no message", flush=True)
        if fault == "long":
            print("x" * (17 << 20), flush=True)
        os.makedirs("notes", exist_ok=True)
        with open(path(inputs["name"]), "w") as file:
            file.write(inputs["text"])
        return {"result": {"id": inputs["name"], "outputs": {"letters": len(inputs["text"])}}}
    if method == "delete":
        try:
            os.remove(path(params["id"]))
        except FileNotFoundError:
            pass
        return {"result": {}}
    return fail(f"no method {method}", **{"class": "failed_clean"})


for line in sys.stdin:
    request = json.loads(line)
    if "method" in request:
        reply = answer(request["method"], request.get("params", {}))
        print(json.dumps({"jsonrpc": "2.0", "id": request["id"], **reply}), flush=True)
