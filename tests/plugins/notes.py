#!/usr/bin/env python3
"""A plugin as an executable, for the tests: it speaks the protocol on its standard input and output.

A file `notes.fault` beside it names a rule of plugins that it then breaks."""

import hashlib
import json
import os
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = threading.Lock()
CANCELLED = set()
MADE = {}
SEEN = []
INPUTS = {"name": str, "text": str, "token": object, "takes": int, "fault": str}


def read_file(path):
    try:
        with open(path) as file:
            return file.read()
    except FileNotFoundError:
        return None


BREAKS = (read_file(os.path.join(HERE, "notes.fault")) or "").strip()


class Text(str):
    """An answer that is JSON already."""


def nested(levels):
    return "[" * levels + "]" * levels


def send(message):
    result = message.get("result")
    if isinstance(result, Text):
        line = '{"jsonrpc": "2.0", "id": ' + str(message["id"]) + ', "result": ' + result + "}"
    else:
        line = json.dumps({"jsonrpc": "2.0", **message})
    with OUT:
        print(line, flush=True)


def interface():
    with open(os.path.join(HERE, "notes.dts"), "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def path(name):
    return os.path.join("notes", name)


class Failure(Exception):
    def __init__(self, message, kind="failed_clean", code=-32000, **data):
        super().__init__(message)
        self.error = {"code": code, "message": message, "data": {"class": kind, **data}}


def outputs(name, text):
    letters = len(text) + (1 if BREAKS == "plan" else 0)
    title = name.upper() + (text if BREAKS == "stable" else "")
    return {"title": title} if BREAKS == "output" else {"letters": letters, "title": title}


def read(call):
    name = call["id"]
    text = read_file(path(name))
    if text is None:
        if BREAKS == "absent":
            raise Failure("no such note")
        return "absent"
    seen = text + "!" if BREAKS == "second-plan" else text
    if BREAKS == "parallel":
        with OUT:
            SEEN.append(name)
        letters = len(text) + (len(SEEN) > 10)
        return {"object": {"id": name, "outputs": {**outputs(name, text), "letters": letters}, "inputs": {"text": seen}}}
    return {"object": {"id": name, "outputs": outputs(name, text), "inputs": {"text": seen}}}


def check(inputs):
    for name in ("name", "text"):
        if name not in inputs and BREAKS != "misfit":
            raise Failure(f"`{name}` is missing", input=name)
    for name, value in inputs.items():
        if not isinstance(value, INPUTS[name]):
            raise Failure(f"`{name}` is of another type", input=name)


def validate(inputs):
    for name, value in inputs.items():
        unknown = isinstance(value, dict) and value.get("$dtm") == "unknown"
        if not isinstance(value, INPUTS[name]) and (BREAKS == "validate" or not unknown):
            raise Failure(f"`{name}` is of another type", input=name)
    return {}


def write(method, params):
    inputs = params["inputs"]
    check(inputs)
    name, op, fault = inputs["name"], params["op"], inputs.get("fault")
    if fault == "exit":
        os._exit(3)
    if fault == "hang":
        time.sleep(3600)
    if fault == "flood":
        for n in range(30000):
            send({"method": "log", "params": {"op": op, "level": "warning", "text": f"warning {n} of it"}})
        raise Failure("the beginning of it " + "x" * (5 << 20) + " the end of it")
    if fault == "begin":
        subprocess.run(["sh", "begin.sh"])
    if fault == "garbage":
        print("Traceback: this is no message", flush=True)
    if fault == "long":
        print("x" * (17 << 20), flush=True)
    if BREAKS == "secrets" and "token" in inputs:
        send({"method": "log", "params": {"op": op, "text": "its token is " + inputs["token"]["v"]}})
    if BREAKS == "update" and method == "update":
        raise Failure("notes are for ever")
    if BREAKS == "update-again" and method == "update" and read_file(path(name)) == inputs["text"]:
        raise Failure("there is nothing to change")
    if BREAKS == "same-op" and method == "create" and op in MADE:
        name += "-2"
    os.makedirs("notes", exist_ok=True)
    if BREAKS == "lie" and inputs.get("takes", 0):
        open(path(name), "w").close()
    until = time.monotonic() + inputs.get("takes", 0) / 1000
    while time.monotonic() < until:
        if op in CANCELLED and BREAKS != "cancel":
            raise Failure("it was cancelled")
        time.sleep(0.01)
    with open(path(name), "w") as file:
        file.write(inputs.get("text", ""))
    MADE[op] = name
    made = {"id": name, "outputs": outputs(name, inputs.get("text", ""))}
    if fault and fault.startswith("deep-"):
        # Written by hand: the encoder of this language has a limit of its own.
        return Text(json.dumps(made)[:-1] + ', "private": ' + nested(int(fault[5:])) + "}")
    return made


def delete(params):
    if BREAKS == "delete-hang":
        time.sleep(3600)
    try:
        if BREAKS != "delete":
            os.remove(path(params["id"]))
    except FileNotFoundError:
        if BREAKS == "delete-again":
            raise Failure("no such note")
    return {}


def find(inputs):
    name = inputs["name"]
    there = os.path.exists(path(name)) and BREAKS != "find"
    return {"ids": [name] if there else []}


def listed():
    names = sorted(os.listdir("notes")) if os.path.isdir("notes") else []
    if BREAKS == "list":
        names = names[1:]
    if BREAKS == "list-gone":
        names = ["diary"]
    mark = "?" if BREAKS == "list-key" else ""
    return {"objects": [{"id": name, "key": {"name": name + mark}} for name in names]}


def plan(params):
    if BREAKS == "impure":
        with open(path(params["id"]), "a") as file:
            file.write(".")
    text = params["inputs"]["text"]
    return {"outputs": {"letters": len(text)}, "replace": []} if isinstance(text, str) else {"outputs": {}, "replace": []}


def find_many(params):
    found = [find(call["inputs"]) for call in params["calls"]]
    return found[1:] if BREAKS == "find-many" else found


def place():
    return {"place": str(time.monotonic()) if BREAKS == "place" else "notes"}


def preview(params):
    check(params["inputs"])
    if BREAKS == "preview":
        os.makedirs("notes", exist_ok=True)
        open(path(params["inputs"]["name"]), "w").close()
    return {"outputs": {}, "replace": [], "notes": []}


def hello(params):
    if 1 not in params["versions"] and BREAKS != "version":
        raise Failure("version 1 is the only one", code=-32602)
    name = "memos" if BREAKS == "hello" else "notes"
    if BREAKS == "mute":
        time.sleep(3600)
    can = {name: ["Note"] for name in ("validate", "plan", "list", "find_many", "place", "preview")}
    return {
        "protocol": 9 if BREAKS == "protocol" else 1, "name": name, "version": "1.0.0", "kinds": ["Note"], "interface": interface(),
        "capabilities": can,
    }


def answer(method, params):
    if method == "hello":
        return hello(params)
    if method == "configure":
        if BREAKS == "configure":
            time.sleep(3600)
        return {"config": 1}
    if method == "cancel":
        CANCELLED.add(params["op"])
        return {}
    if method == "read_many":
        results = [read(call) for call in params["calls"]]
        return results[1:] if BREAKS == "read-many" else results
    if method == "find_many":
        return find_many(params)
    if method == "place":
        return place()
    if params.get("kind") != "Note" and BREAKS != "unknown":
        raise Failure(f"no kind {params.get('kind')} is known", code=-32602)
    if method == "find":
        return find(params["inputs"])
    if method == "list":
        return listed()
    if method == "preview":
        return preview(params)
    if method == "read":
        return read(params)
    if method == "validate":
        return validate(params["inputs"])
    if method == "plan":
        return plan(params)
    if method in ("create", "update"):
        return write(method, params)
    if method == "delete":
        return delete(params)
    raise Failure(f"no method {method} is known", code=-32601)


def serve(request):
    try:
        send({"id": request["id"], "result": answer(request["method"], request.get("params"))})
    except Failure as failure:
        send({"id": request["id"], "error": failure.error})
    except (KeyError, TypeError, AttributeError) as problem:
        send({"id": request["id"], "error": {"code": -32602, "message": f"wrong parameters: {problem!r}"}})


for line in sys.stdin.buffer:
    try:
        request = json.loads(line)
        if isinstance(request, dict) and "method" in request and "id" in request:
            if BREAKS == "single":
                with open("processes", "a") as file:
                    file.write(f"{os.getpid()}\n")
                serve(request)
            else:
                threading.Thread(target=serve, args=(request,), daemon=True).start()
    except (ValueError, RecursionError):
        if BREAKS == "garbage":
            raise
