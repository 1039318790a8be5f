"""A client in lines of JSON, written from protocol/README.md with nothing but the standard library.

    python3 protocol/tests/jsonl_client.py 127.0.0.1:7401 stampede-data/admin-password

Plays all five systems on a running server (`stampede serve --jsonl ADDR`): a booking, a chat with
somebody who was away, the catalogue, a day of sales; and the classic dialect. Each step prints one
line; the first that is not as the README says ends the program with status 1.

Deliberately absent: reconnecting, speed.
"""

import json
import secrets
import socket
import sys
import time

ANSWER_WITHIN_S = 10
PASSWORD = "correct horse"
SELLER, MANAGER = 1, 2


class Unexpected(Exception):
    """The server said something that the README does not."""


class Connection:
    """One conversation: objects out, objects in."""

    def __init__(self, address):
        self.socket = socket.create_connection(address, timeout=ANSWER_WITHIN_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.lines = self.socket.makefile("r", encoding="utf-8", newline="\n")
        self.told = []
        self.last_id = 0

    def say(self, **fields):
        self.socket.sendall(json.dumps(fields, ensure_ascii=False).encode() + b"\n")

    def hear(self):
        line = self.lines.readline()
        if not line:
            raise Unexpected("the server ended the conversation")
        return json.loads(line)

    def ask(self, do, /, **fields):
        """The answer to a request. What the server says of itself meanwhile is kept."""
        self.last_id += 1
        self.say(id=self.last_id, do=do, **fields)
        while True:
            said = self.hear()
            if said.get("id") == self.last_id:
                return said
            self.told.append(said)

    def next_told(self):
        """The next push or news."""
        return self.told.pop(0) if self.told else self.hear()

    def close(self):
        # The stream's own copy of the descriptor would keep the connection open.
        self.lines.close()
        self.socket.close()


def step(what, is_right, said=None):
    if not is_right:
        raise Unexpected(f"{what}: the server said {said}")
    print(f"ok  {what}")


def is_ok(said, word, /, **fields):
    return said.get("ok") == word and all(said.get(field) == value for field, value in fields.items())


def enter(address, name):
    """Registers and logs in: the connection, and who it is."""
    connection = Connection(address)
    said = connection.ask("register", name=name, password=PASSWORD)
    step(f"{name} is registered", is_ok(said, "registered"), said)
    said = connection.ask("log-in", name=name, password=PASSWORD)
    step("and logged in", is_ok(said, "session-opened"), said)
    return connection, said


def book(ana, bob):
    said = ana.ask("list-agendas", after=0, limit=500)
    single = [view["agenda"] for view in said["agendas"] if view["opened"]["capacity"] == 1]
    step("agendas are listed", single, said)
    day = int(time.time()) // 86_400 + 1
    said = ana.ask("list-slots", agenda=single[0], day=day)
    free = [index for index, slot in enumerate(said["slots"]) if slot["held"] == 0]
    step("the slots of tomorrow are listed", is_ok(said, "slots", day=day) and free, said)
    slot = {"agenda": single[0], "day": day, "slot": free[0]}
    key = f"dentist {secrets.token_hex(8)}"
    first = ana.ask("reserve", slot=slot, key=key)
    step("a slot is reserved", is_ok(first, "reserved", slot=slot), first)
    again = ana.ask("reserve", slot=slot, key=key)
    step("sent again with its key it gets the same answer", again["seq"] == first["seq"], again)
    said = bob.ask("reserve", slot=slot)
    step("another person is refused", said.get("refused") == "slot-taken" and len(said["key"]) == 32, said)
    said = bob.ask("join-waitlist", slot=slot)
    step("and waits", is_ok(said, "waitlist-joined", place=1), said)
    said = ana.ask("cancel", booking=first["seq"])
    step("the booking is cancelled", is_ok(said, "cancelled"), said)
    told = bob.next_told()
    step("and whoever waited is told to have it", told.get("push") == "promoted" and told["slot"] == slot, told)


def chat(address, ana, bob, bob_is):
    name = f"kitchen {secrets.token_hex(4)}"
    room = ana.ask("create-room", name=name)
    step("a room is made", is_ok(room, "room-created"), room)
    said = bob.ask("join-room", room=room["seq"])
    step("and joined", is_ok(said, "room-joined", members=2), said)
    said = ana.ask("send", to={"conversation": room["seq"]}, text="Grüß dich 🐎")
    step("a message is sent to it", is_ok(said, "sent", conversation=room["seq"], index=1), said)
    told = bob.next_told()
    is_right = told.get("push") == "entry" and told["content"] == {"text": "Grüß dich 🐎"}
    step("and pushed to who is in it", is_right and told["seq"] == said["seq"], told)
    said = bob.ask("mark-read", conversation=room["seq"], index=1)
    step("and marked as read", is_ok(said, "read"), said)
    bob.close()
    said = ana.ask("send", to={"person": bob_is["user"]}, text="are you there?")
    step("a private message is sent to who is away", is_ok(said, "sent", index=1), said)
    bob = Connection(address)
    said = bob.ask("resume", token=bob_is["token"])
    step("who comes back resumes the session", is_ok(said, "session-resumed", user=bob_is["user"]), said)
    said = bob.ask("subscribe", **{"from": told["seq"]})
    step("and subscribes behind the last push", is_ok(said, "subscribed"), said)
    missed = bob.next_told()
    step("and is told what was missed", missed.get("content") == {"text": "are you there?"}, missed)
    page = bob.ask("read-history", conversation=missed["conversation"], **{"from": 0}, direction="backwards", limit=10)
    entries = page.get("entries", [])
    is_right = [row["seq"] for row in entries] == [missed["seq"]]
    step("which stands in the history", is_right and entries[0]["entry"]["index"] == 1, page)
    bob.say(do="typing", to={"person": missed["author"]}, on=True)
    news = ana.next_told()
    while news.get("news") != "typing-changed":
        news = ana.next_told()
    step("that somebody writes is news", news["user"] == bob_is["user"] and news["on"] is True, news)
    return bob


def browse(ana):
    suffix = secrets.token_hex(4)
    item = ana.ask("register-item", name=f"Les Misérables {suffix}", item_type=1)
    step("an item is registered", is_ok(item, "item-registered"), item)
    said = ana.ask("add-favourite", item=item["seq"])
    step("it is a favourite", is_ok(said, "favourite-added", changed=True, count=1), said)
    said = ana.ask("search-items", text=f"MISERABLES {suffix}", item_type=0, after=0, limit=10)
    found = [(view["item"], view["favourite"]) for view in said["items"]]
    step("it is found without its accent", found == [(item["seq"], True)], said)
    said = ana.ask("remove-item", item=item["seq"])
    step("it is removed", is_ok(said, "item-removed", favourites=1), said)
    said = ana.ask("search-favourites", text="", after=0, limit=10)
    step("and is no favourite any more", is_ok(said, "favourites", count=0, items=[]), said)


def sell(admin, bob, bob_is):
    suffix = secrets.token_hex(4)
    said = admin.ask("set-roles", user=bob_is["user"], roles=SELLER)
    step("somebody becomes a seller", is_ok(said, "roles-set", roles=SELLER), said)
    network = admin.ask("open-network", name=f"Nord {suffix}")
    step("a network is opened", is_ok(network, "network-opened"), network)
    store = admin.ask("open-store", network=network["seq"], name=f"Am Markt {suffix}")
    step("and a store", is_ok(store, "store-opened"), store)
    said = admin.ask("assign-seller", seller=bob_is["user"], store=store["seq"])
    step("the seller is assigned", is_ok(said, "seller-assigned", before=0), said)
    today = int(time.time()) // 86_400
    sale = {"sale": secrets.token_hex(16), "store": store["seq"], "cents": 1_999, "day": today}
    said = bob.ask("record-sale", **sale)
    step("a sale is recorded", is_ok(said, "sale-recorded", network=network["seq"]), said)
    said = bob.ask("record-sale", **sale)
    step("and not twice, though under another key", "refused" in said, said)
    period = {"from": today, "to": today}
    said = admin.ask("store-total", store=store["seq"], period=period)
    is_right = is_ok(said, "store-totals", total={"cents": 1_999, "sales": 1})
    step("it counts once, and the total says as of when", is_right and store["seq"] < said["reflects"], said)
    said = admin.ask("best-seller", network=network["seq"])
    step("the best seller is known", said.get("best", {}).get("of") == bob_is["user"], said)
    said = bob.ask("best-seller", network=network["seq"])
    step("to managers alone", said.get("refused") == "not-allowed", said)


def blunder(address):
    connection = Connection(address)
    said = connection.ask("fly")
    step("an unknown word is one error", said.get("error") == "bad-line" and "`fly`" in said["reason"], said)
    said = connection.ask("reserve", slot={"agenda": 1, "day": "x", "slot": 1})
    step("a wrong field is named", said.get("error") == "bad-line" and "`slot`" in said["reason"], said)
    said = connection.ask("who-am-i")
    step("a stranger must log in first", said.get("error") == "log-in-first" and said["fatal"] is False, said)
    said = connection.ask("ping")
    step("and the connection goes on", is_ok(said, "pong"), said)


def reminisce(address, ana, ana_name):
    name = f"eve-{secrets.token_hex(4)}"
    eve = Connection(address)
    eve.say(action="REGISTER", username=name, password=PASSWORD)
    step("the classic dialect registers", eve.hear()["status"] == "SUCCESS")
    eve.say(action="LOGIN", username=name, password=PASSWORD)
    step("and logs in", eve.hear()["status"] == "SUCCESS")
    eve.say(type="USERLIST")
    while "users" not in (said := eve.hear()):
        pass
    step("and lists who is there", f"{ana_name}:online" in said["users"], said)
    eve.say(type="PRIVATE", recipient=ana_name, message="hello")
    told = ana.next_told()
    step("what it says arrives as any push", told.get("content") == {"text": "hello"}, told)
    ana.ask("send", to={"person": told["author"]}, text="hello yourself")
    # Who comes and goes is told when it happens.
    while (said := eve.hear())["type"] in ("SYSTEM", "USERLIST"):
        pass
    step("and the other way", (said["type"], said["sender"]) == ("PRIVATE", ana_name), said)


def play(address, admin_password):
    suffix = secrets.token_hex(4)
    ana_name, bob_name = f"ana-{suffix}", f"bob-{suffix}"
    ana, _ = enter(address, ana_name)
    bob, bob_is = enter(address, bob_name)
    for person in (ana, bob):
        said = person.ask("subscribe", **{"from": None})
        step("pushes are asked for", is_ok(said, "subscribed"), said)
    blunder(address)
    book(ana, bob)
    bob = chat(address, ana, bob, bob_is)
    browse(ana)
    admin = Connection(address)
    said = admin.ask("log-in", name="admin", password=admin_password)
    step("the admin logs in", is_ok(said, "session-opened"), said)
    sell(admin, bob, bob_is)
    ana.told.clear()
    reminisce(address, ana, ana_name)


def main(arguments):
    if len(arguments) != 3 or ":" not in arguments[1]:
        print("usage: jsonl_client.py HOST:PORT ADMIN_PASSWORD_FILE", file=sys.stderr)
        return 2
    host, _, port = arguments[1].rpartition(":")
    try:
        with open(arguments[2], encoding="utf-8") as file:
            admin_password = file.read().strip()
        play((host, int(port)), admin_password)
    except (Unexpected, KeyError, OSError) as error:
        print(f"not as the README says: {error!r}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
