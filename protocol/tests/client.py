"""A client written from protocol/README.md alone, with nothing but the standard library.

    python3 protocol/tests/client.py 127.0.0.1:7400

Two people play through a booking on a running server: one takes a slot, retries, is resumed on a
second connection and cancels; the other is refused, waits, and is pushed the promotion. Each step
prints one line; the first that is not as the README says ends the program with status 1.

Deliberately absent: chain hashes (BLAKE3 is not in the standard library), reconnecting, speed.
"""

import secrets
import socket
import struct
import sys
import time

HELLO, AUTH, COMMAND, QUERY, PING = 0x01, 0x02, 0x03, 0x04, 0x05
WELCOME, ANSWER, PUSH, ERROR, PONG = 0x81, 0x82, 0x83, 0x84, 0x85

REPLY_BYTES_MAX = 262_144
ANSWER_WITHIN_S = 10
PASSWORD = "correct horse"

REGISTER, LOG_IN, RESUME = 0, 1, 2
REVOKE_ALL_SESSIONS, RESERVE, CANCEL, JOIN_WAITLIST = 0x0104, 0x0202, 0x0203, 0x0207
SESSIONS_ENDED, REGISTERED, RESERVED, CANCELLED, WAITLIST_JOINED, PROMOTED = 0x0103, 0x0101, 0x0202, 0x0203, 0x0207, 0x0209
LIST_AGENDAS, LIST_SLOTS, MY_BOOKINGS, SUBSCRIBE = 0x0201, 0x0202, 0x0203, 0x0601
SESSION_OPENED, SESSION_RESUMED = 0x0110, 0x0111
AGENDAS, SLOTS, BOOKINGS, SUBSCRIBED = 0x0201, 0x0202, 0x0203, 0x0601
LOG_IN_FIRST, KEY_REUSED, SESSION_ENDED, SLOT_TAKEN = 0x0005, 0x0010, 0x0016, 0x0205


class Unexpected(Exception):
    """The server said something that the README does not."""


# Bodies.


def varint(value):
    if value < 251:
        return bytes([value])
    for marker, size in ((251, 2), (252, 4), (253, 8), (254, 16)):
        if value < 1 << (8 * size):
            return bytes([marker]) + value.to_bytes(size, "little")
    raise ValueError(f"{value} is too large for a varint")


def string(text):
    encoded = text.encode()
    return varint(len(encoded)) + encoded


def slot_id(slot):
    return b"".join(map(varint, slot))


class Reader:
    """Takes fields off a body, never past its end."""

    def __init__(self, body):
        self.body, self.at = body, 0

    def take(self, size):
        if len(self.body) - self.at < size:
            raise Unexpected(f"{size} bytes are missing at offset {self.at} of {self.body.hex()}")
        self.at += size
        return self.body[self.at - size : self.at]

    def fixed(self, size):
        return int.from_bytes(self.take(size), "little")

    def varint(self):
        first = self.fixed(1)
        if first < 251:
            return first
        if first == 255:
            raise Unexpected("255 begins no varint")
        return self.fixed({251: 2, 252: 4, 253: 8, 254: 16}[first])

    def bool(self):
        return bool(self.fixed(1))

    def string(self):
        return self.take(self.varint()).decode()

    def slot(self):
        return self.varint(), self.varint(), self.varint()

    def list(self, read):
        return [read(self) for _ in range(self.varint())]

    def rest(self):
        return self.take(len(self.body) - self.at)

    def end(self):
        if self.at != len(self.body):
            raise Unexpected(f"bytes are left over at offset {self.at} of {self.body.hex()}")


def read_agenda(body):
    agenda, name = body.varint(), body.string()
    opens, closes, minutes, capacity = (body.varint() for _ in range(4))
    return {"agenda": agenda, "name": name, "slots": (closes - opens) // minutes, "capacity": capacity}


def read_slot(body):
    return {"held": body.varint(), "waiting": body.varint(), "mine": body.varint(), "past": body.bool()}


def read_booking(body):
    return {"booking": body.varint(), "slot": body.slot(), "until": body.varint(), "key": body.take(16)}


def read_session(body, has_token):
    session = {"user": body.varint(), "roles": body.fixed(1), "session": body.varint(), "expires_at": body.varint()}
    session["cursor"] = body.varint()
    if has_token:
        session["token"] = body.take(32)
    return session


EVENTS = {
    SESSIONS_ENDED: lambda body: body.list(Reader.varint),
    REGISTERED: lambda body: None,
    RESERVED: lambda body: body.slot(),
    CANCELLED: lambda body: body.slot(),
    WAITLIST_JOINED: lambda body: (body.slot(), body.varint()),
    PROMOTED: lambda body: (body.slot(), body.varint()),
    SESSION_OPENED: lambda body: read_session(body, has_token=True),
    SESSION_RESUMED: lambda body: read_session(body, has_token=False),
}
ANSWERS = {
    AGENDAS: lambda body: body.list(read_agenda),
    SLOTS: lambda body: (body.varint(), body.list(read_slot)),
    BOOKINGS: lambda body: body.list(read_booking),
    SUBSCRIBED: lambda body: body.varint(),
}


def read_word(words, body):
    """Kind, schema and body, to the end."""
    kind, schema = body.fixed(2), body.fixed(1)
    if kind not in words or schema != 1:
        raise Unexpected(f"kind {kind:#06x} with schema {schema} was not expected")
    word = words[kind](body)
    body.end()
    return kind, word


# Replies.


class Answer:
    def __init__(self, frame, words):
        self.correlation, self.seq, self.hash = frame.fixed(8), frame.fixed(8), frame.take(32)
        self.refused, self.kind, self.word = None, None, None
        if frame.fixed(1) == 0:
            self.kind, self.word = read_word(words, frame)
        else:
            self.refused = (frame.varint(), frame.varint(), frame.varint())
            frame.end()

    def same_as(self, other):
        mine = (self.seq, self.hash, self.refused, self.kind, self.word)
        return mine == (other.seq, other.hash, other.refused, other.kind, other.word)


class Error:
    def __init__(self, frame):
        self.correlation = frame.fixed(8)
        self.code, self.value, self.limit = frame.fixed(2), frame.fixed(8), frame.fixed(8)
        self.retry_after_ms, self.fatal = frame.fixed(4), frame.fixed(1) != 0
        frame.end()


class Push:
    def __init__(self, frame):
        self.seq, self.hash = frame.fixed(8), frame.take(32)
        self.kind, self.word = read_word(EVENTS, frame)


class Connection:
    """One conversation, one request at a time; pushes that come between wait in a list."""

    def __init__(self, address):
        self.socket = socket.create_connection(address, timeout=ANSWER_WITHIN_S)
        self.correlation = 0
        self.pushes = []
        self.seq = 0
        self.send(HELLO, b"STMP" + struct.pack("<H", 1))
        type, frame = self.receive()
        if type != WELCOME:
            raise Unexpected(f"a frame of type {type:#04x} came instead of a welcome")
        self.version, self.request_bytes_max, self.in_flight_max = (frame.fixed(size) for size in (2, 4, 4))
        self.flags, self.seq, self.hash = frame.fixed(1), frame.fixed(8), frame.take(32)
        frame.end()

    def send(self, type, rest):
        self.socket.sendall(struct.pack("<IB", 1 + len(rest), type) + rest)

    def receive(self):
        (length,) = struct.unpack("<I", self.read_exactly(4))
        if not 1 <= length <= REPLY_BYTES_MAX:
            raise Unexpected(f"a frame of {length} bytes was announced")
        frame = Reader(self.read_exactly(length))
        return frame.fixed(1), frame

    def read_exactly(self, size):
        pieces = b""
        while len(pieces) < size:
            piece = self.socket.recv(size - len(pieces))
            if not piece:
                raise Unexpected("the server closed the connection")
            pieces += piece
        return pieces

    def ask(self, type, rest, words=EVENTS):
        """Sends a request and waits for its answer or error."""
        self.correlation += 1
        self.send(type, struct.pack("<Q", self.correlation) + rest)
        while True:
            type, frame = self.receive()
            if type == PUSH:
                self.pushes.append(Push(frame))
                continue
            if type == PONG:
                reply = frame
                reply.correlation = frame.fixed(8)
            elif type == ANSWER:
                reply = Answer(frame, words)
            elif type == ERROR:
                reply = Error(frame)
            else:
                raise Unexpected(f"a frame of type {type:#04x} came")
            if reply.correlation != self.correlation:
                raise Unexpected(f"correlation {reply.correlation} came, {self.correlation} was asked")
            return reply

    def ping(self):
        return self.ask(PING, b"")

    def auth(self, variant, *fields, key=None):
        key = key or secrets.token_bytes(16)
        return self.ask(AUTH, key + varint(variant) + b"".join(fields))

    def command(self, kind, body, key=None):
        key = key or secrets.token_bytes(16)
        return self.ask(COMMAND, key + struct.pack("<HB", kind, 1) + body)

    def query(self, kind, body):
        return self.ask(QUERY, struct.pack("<HB", kind, 1) + body, ANSWERS)

    def last_words(self):
        """The error that comes without being asked, when the server ends the conversation."""
        type, frame = self.receive()
        if type != ERROR:
            raise Unexpected(f"a frame of type {type:#04x} came instead of an error")
        return Error(frame)

    def next_push(self):
        while not self.pushes:
            type, frame = self.receive()
            if type != PUSH:
                raise Unexpected(f"a frame of type {type:#04x} came instead of a push")
            self.pushes.append(Push(frame))
        return self.pushes.pop(0)


# The play.


def step(text, is_right, reply=None):
    if not is_right:
        raise Unexpected(f"{text}: {vars(reply) if reply is not None else 'not so'}")
    print(f"ok  {text}")


def is_error(reply, code):
    return isinstance(reply, Error) and reply.code == code


def is_accepted(reply, kind):
    return isinstance(reply, Answer) and reply.refused is None and reply.kind == kind


def enter(address, name, key=None):
    """A connection of a new person, and their session, opened under `key`."""
    connection = Connection(address)
    reply = connection.auth(REGISTER, string(name), string(PASSWORD))
    step(f"{name} is registered", is_accepted(reply, REGISTERED), reply)
    user = reply.seq
    reply = connection.auth(LOG_IN, string(name), string(PASSWORD), key=key)
    is_right = is_accepted(reply, SESSION_OPENED) and reply.word["user"] == user
    step(f"{name} logs in as user {user}", is_right and reply.word["session"] == reply.seq, reply)
    return connection, reply.word


def free_slot(connection):
    """A slot of tomorrow that nobody has, in an agenda whose slots hold one person."""
    reply = connection.query(LIST_AGENDAS, varint(0) + varint(500))
    agendas = reply.word if is_accepted(reply, AGENDAS) else []
    single = [agenda["agenda"] for agenda in agendas if agenda["capacity"] == 1]
    step(f"{len(agendas)} agendas are listed", single, reply)
    tomorrow = int(time.time()) // 86_400 + 1
    reply = connection.query(LIST_SLOTS, varint(single[0]) + varint(tomorrow))
    is_right = is_accepted(reply, SLOTS) and reply.word[0] == tomorrow
    step("the slots of tomorrow are listed", is_right, reply)
    free = [index for index, slot in enumerate(reply.word[1]) if slot["held"] == 0]
    step(f"{len(free)} of them are free", free, reply)
    return single[0], tomorrow, free[0]


def reserve_and_retry(ana, slot):
    """Ana's booking of the slot, and the key she asked for it with."""
    key = secrets.token_bytes(16)
    first = ana.command(RESERVE, slot_id(slot), key)
    step("the slot is reserved", is_accepted(first, RESERVED) and first.word == slot, first)
    again = ana.command(RESERVE, slot_id(slot), key)
    step("sent again with its key it gets the same answer", isinstance(again, Answer) and again.same_as(first), again)
    other = ana.command(CANCEL, varint(first.seq), key)
    step("another command under that key is refused", is_error(other, KEY_REUSED) and other.value == first.seq, other)
    return first.seq, key


def check_resume(address, token, booking, slot, key):
    """A second connection of the same session, which sees the booking."""
    second = Connection(address)
    reply = second.command(RESERVE, slot_id(slot))
    step("a stranger must log in first", is_error(reply, LOG_IN_FIRST) and not reply.fatal, reply)
    reply = second.auth(RESUME, token)
    step("the session is resumed on a second connection", is_accepted(reply, SESSION_RESUMED), reply)
    reply = second.query(MY_BOOKINGS, varint(0) + varint(500))
    expected = {"booking": booking, "slot": slot, "until": 0, "key": key}
    is_right = is_accepted(reply, BOOKINGS) and reply.word == [expected] and booking <= reply.seq
    step("the booking is listed there, with its key", is_right, reply)
    reply = second.command(RESERVE, slot_id(slot), key)
    step("a retry there gets the first answer too", is_accepted(reply, RESERVED) and reply.seq == booking, reply)


def wait_for_promotion(ana, bob, bob_user, booking, slot):
    refused = bob.command(RESERVE, slot_id(slot))
    is_right = isinstance(refused, Answer) and refused.refused == (SLOT_TAKEN, 1, 1)
    step("the other one is refused: slot-taken", is_right and booking < refused.seq, refused)
    joined = bob.command(JOIN_WAITLIST, slot_id(slot))
    step("and waits, first in line", is_accepted(joined, WAITLIST_JOINED) and joined.word == (slot, 1), joined)
    cancelled = ana.command(CANCEL, varint(booking))
    step("the booking is cancelled", is_accepted(cancelled, CANCELLED) and cancelled.word == slot, cancelled)
    push = bob.next_push()
    is_right = push.kind == PROMOTED and push.word == (slot, bob_user) and push.seq == cancelled.seq + 1
    step("the promotion is pushed, from the record directly behind", is_right, push)
    reply = bob.query(MY_BOOKINGS, varint(0) + varint(500))
    is_right = is_accepted(reply, BOOKINGS) and [row["booking"] for row in reply.word] == [push.seq]
    step("the other one has the slot now", is_right, reply)


def log_out_everywhere(address, ana, name, session, log_in_key):
    """Ends every session of ana, and tries to get in again by an old log-in."""
    reply = ana.command(REVOKE_ALL_SESSIONS, b"")
    is_right = is_accepted(reply, SESSIONS_ENDED) and reply.word == [session["session"]]
    step("every session is revoked", is_right, reply)
    error = ana.last_words()
    step("which ends the connection", is_error(error, SESSION_ENDED) and error.fatal, error)
    third = Connection(address)
    reply = third.auth(LOG_IN, string(name), string(PASSWORD), key=log_in_key)
    is_right = is_accepted(reply, SESSION_OPENED) and reply.word == session
    step("the log-in, sent again, gets its first answer", is_right, reply)
    error = third.last_words()
    step("and opens nothing: its session has ended", is_error(error, SESSION_ENDED) and error.fatal, error)


def play(address):
    suffix, log_in_key = secrets.token_hex(4), secrets.token_bytes(16)
    ana, session = enter(address, f"ana-{suffix}", log_in_key)
    step("wire version 1 is spoken", ana.version == 1, ana)
    step("a ping is answered", isinstance(ana.ping(), Reader))
    slot = free_slot(ana)
    booking, key = reserve_and_retry(ana, slot)
    check_resume(address, session["token"], booking, slot, key)
    bob, bob_session = enter(address, f"bob-{suffix}")
    reply = bob.query(SUBSCRIBE, b"\x00")
    step("and asks for pushes", is_accepted(reply, SUBSCRIBED), reply)
    wait_for_promotion(ana, bob, bob_session["user"], booking, slot)
    log_out_everywhere(address, ana, f"ana-{suffix}", session, log_in_key)


def main(arguments):
    if len(arguments) != 2 or ":" not in arguments[1]:
        print("usage: client.py HOST:PORT", file=sys.stderr)
        return 2
    host, _, port = arguments[1].rpartition(":")
    try:
        play((host, int(port)))
    except (Unexpected, OSError) as error:
        print(f"not as the README says: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
