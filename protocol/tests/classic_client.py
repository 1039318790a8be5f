"""A client of the classic dialect, written from protocol/README.md with nothing but the standard library.

    python3 protocol/tests/classic_client.py 127.0.0.1:7401

Reads as the chat does that this dialect is for, and stricter: whatever one `recv` returns is taken for
one message, all the time. Plays on a running server (`stampede serve --jsonl ADDR`, whose people are
spoken to in Portuguese): 60 log-ins and 20 offline messages while somebody talks, what is said in
public, who comes and goes, rooms, two devices. Each step prints one line; the first that is not as the
README says ends the program with status 1.
"""

import json
import queue
import secrets
import socket
import sys
import threading

ANSWER_WITHIN_S = 30
RECV_BYTES = 1 << 20
PASSWORD = "correct horse"
LOG_INS, OFFLINE_MESSAGES = 60, 20


class Unexpected(Exception):
    """The server said something that the README does not, or two things at once."""


class Client:
    """One connection: objects out, objects in. A thread reads, one `recv` a message."""

    def __init__(self, address):
        self.socket = socket.create_connection(address)
        self.heard = queue.Queue()
        self.skipped = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        try:
            while data := self.socket.recv(RECV_BYTES):
                try:
                    self.heard.put(json.loads(data.decode("utf-8").strip()))
                except ValueError as error:
                    self.heard.put(Unexpected(f"one recv is no message: {error}: {data[:300]}"))
        except OSError:
            pass
        self.heard.put(Unexpected("the server ended the conversation"))

    def say(self, **fields):
        self.socket.sendall((json.dumps(fields) + "\n").encode("utf-8"))

    def hear(self):
        try:
            said = self.heard.get(timeout=ANSWER_WITHIN_S)
        except queue.Empty:
            raise Unexpected("the server says nothing") from None
        if isinstance(said, Unexpected):
            raise said
        return said

    def await_one(self, is_it):
        """The first message that is like this; what comes before it is kept."""
        for place, said in enumerate(self.skipped):
            if is_it(said):
                return self.skipped.pop(place)
        while not is_it(said := self.hear()):
            self.skipped.append(said)
        return said

    def await_type(self, wanted, **fields):
        def is_it(said):
            return said.get("type") == wanted and all(said.get(name) == value for name, value in fields.items())

        return self.await_one(is_it)

    def await_list(self, entry):
        return self.await_one(lambda said: said.get("type") == "USERLIST" and entry in said["users"])

    def told(self):
        """What was said to this person or in a room by now: what is said to everybody comes back behind it."""
        mark = secrets.token_hex(8)
        self.say(type="PUBLIC", message=mark)
        self.await_type("PUBLIC", message=mark)
        told = [said for said in self.skipped if said["type"] in ("PRIVATE", "ROOM_MESSAGE")]
        self.skipped.clear()
        return told

    def close(self):
        try:
            # The reading thread keeps the descriptor.
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()


def step(what, is_right, said=None):
    if not is_right:
        raise Unexpected(f"{what}: the server said {said}")
    print(f"ok  {what}")


def register(address, name):
    client = Client(address)
    client.say(action="REGISTER", username=name, password=PASSWORD)
    said = client.hear()
    client.close()
    if said["status"] != "SUCCESS":
        raise Unexpected(f"{name} is not registered: {said}")


def enter(address, name):
    """Logs in, and asks who is there when it has heard that it is in."""
    client = Client(address)
    client.say(action="LOGIN", username=name, password=PASSWORD)
    said = client.hear()
    if said.get("status") != "SUCCESS":
        raise Unexpected(f"{name} is not in: {said}")
    client.say(type="USERLIST")
    client.await_list(f"{name}:online")
    return client


def newcomer(address, name):
    register(address, name)
    return enter(address, name)


def log_in_often(address, names, chatterbox):
    entered = 0
    for _ in range(LOG_INS // len(names)):
        clients, errors = [], []

        def enter_one(name):
            try:
                clients.append(enter(address, name))
            except Unexpected as error:
                errors.append(error)

        threads = [threading.Thread(target=enter_one, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        chatterbox.say(type="PUBLIC", message="so it goes")
        for thread in threads:
            thread.join()
        if errors:
            raise Unexpected(f"after {entered} log-ins: {errors[0]}")
        chatterbox.say(type="ROOM_MESSAGE", room="Geral", message="e assim vai")
        for client in clients:
            client.await_type("PUBLIC", message="e assim vai")
            client.close()
            entered += 1
    step(f"{entered} of {LOG_INS} log-ins are read, and what is said right after", entered == LOG_INS)


def be_away(address, chatterbox, suffix):
    name = f"eve-{suffix}"
    newcomer(address, name).close()
    chatterbox.await_list(f"{name}:offline")
    texts = [f"nº {nth} ção 😀" for nth in range(OFFLINE_MESSAGES)]
    for text in texts:
        chatterbox.say(type="PRIVATE", recipient=name, message=text)
    chatterbox.told()
    eve = enter(address, name)
    told = []
    for _ in texts:
        chatterbox.say(type="PUBLIC", message="so it goes")
        told.append(eve.await_type("PRIVATE")["message"])
    step(f"{len(told)} of {OFFLINE_MESSAGES} offline messages are read in order", told == texts, told)
    told = eve.told()
    step("each once", told == [], told)
    eve.close()
    eve = enter(address, name)
    told = eve.told()
    step("and not again by whoever lived on", told == [], told)
    return eve, name


def converse(address, bob, bob_name, eve, eve_name, suffix):
    bob.say(type="PUBLIC", message="olá")
    for client in (bob, eve):
        client.await_type("PUBLIC", sender=bob_name, message="olá")
    step("what is said to everybody comes back to whoever said it", True)
    other = enter(address, bob_name)
    bob.say(type="PRIVATE", recipient=eve_name, message="psst")
    for client in (eve, other):
        client.await_type("PRIVATE", sender=bob_name, recipient=eve_name, message="psst")
    told = bob.told()
    step("what is said to one comes to the sender's other device, and not back", told == [], told)
    other.close()
    room = f"porão-{suffix}"
    bob.say(type="ROOM_MESSAGE", room=room, message="?")
    said = bob.await_type("SYSTEM", code="unknown-room")
    step("an unknown room is named in the refusal", f"`{room}`" in said["message"], said)
    bob.say(type="ROOM_ACTION", room=room, action="join")
    bob.await_type("SYSTEM", message=f"você está na sala {room}")
    bob.say(type="ROOM_MESSAGE", room=room, message="chá?")
    bob.await_type("ROOM_MESSAGE", sender=bob_name, room=room, message="chá?")
    step("a room that is joined is there", True)
    eve.say(type="TYPING_START", recipient=bob_name)
    said = bob.await_type("typing", sender=eve_name, status=True)
    step("who is writing is told", True, said)
    eve.close()
    bob.await_type("SYSTEM", message=f"{eve_name} saiu do chat.")
    bob.await_list(f"{eve_name}:offline")
    eve = enter(address, eve_name)
    bob.await_type("SYSTEM", message=f"{eve_name} entrou no chat.")
    eve.close()
    step("who comes and goes is told, and the list is made anew", True)


def play(address):
    suffix = secrets.token_hex(4)
    names = [f"{name}-{suffix}" for name in ("ana", "joe", "kim", "lia")]
    for name in names:
        register(address, name)
    step("people are registered", True)
    bob_name = f"bob-{suffix}"
    bob = newcomer(address, bob_name)
    log_in_often(address, names, bob)
    eve, eve_name = be_away(address, bob, suffix)
    bob.told()
    converse(address, bob, bob_name, eve, eve_name, suffix)


def main(arguments):
    if len(arguments) != 2 or ":" not in arguments[1]:
        print("usage: classic_client.py HOST:PORT", file=sys.stderr)
        return 2
    host, _, port = arguments[1].rpartition(":")
    try:
        play((host, int(port)))
    except (Unexpected, KeyError, OSError) as error:
        print(f"not as the README says: {error!r}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
