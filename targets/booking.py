"""A small booking service over HTTP, without the part that can be wrong: each demonstration beside this
file brings a store of its own. Python's standard library alone.

POST   /slots/ID/book   {"user": NAME}  201 {"id": N}, or 409 {"error": WHY}
DELETE /bookings/N                      204, or 404 if there is no such booking
GET    /slots?agenda=A&day=D            {"slots": [{"id": ID, "holders": [NAME, ...]}]}
GET    /bookings?user=NAME              {"bookings": [{"id": N, "slot": ID}]}
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit


class Refused(Exception):
    """A store does not do it, and says why."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self, status, document=None):
        body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        asked = json.loads(self.rfile.read(length) or b"{}")
        parts = urlsplit(self.path).path.split("/")
        if len(parts) != 4 or parts[1] != "slots" or parts[3] != "book":
            return self.answer(404, {"error": "no such page"})
        try:
            number = self.server.store.book(unquote(parts[2]), asked["user"])
        except Refused as why:
            return self.answer(409, {"error": str(why)})
        return self.answer(201, {"id": number})

    def do_DELETE(self):
        number = int(self.path.rsplit("/", 1)[1])
        if self.server.store.cancel(number):
            return self.answer(204)
        return self.answer(404, {"error": "no such booking"})

    def do_GET(self):
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        bookings = self.server.store.all()
        if url.path == "/bookings":
            mine = [(n, slot) for n, (slot, user) in bookings if user == query["user"]]
            return self.answer(200, {"bookings": [{"id": n, "slot": slot} for n, slot in mine]})
        slots = {}
        for _, (slot, user) in bookings:
            # RUN-AGENDA-DAY-NUMBER
            if slot.split("-")[1:3] == [query["agenda"], query["day"]]:
                slots.setdefault(slot, []).append(user)
        return self.answer(200, {"slots": [{"id": s, "holders": h} for s, h in slots.items()]})

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 4096
    daemon_threads = True


def serve(store):
    """Serves a store, with `book`, `cancel` and `all`, on the port that is the first argument."""
    server = Server(("127.0.0.1", int(sys.argv[1])), Handler)
    server.store = store
    server.serve_forever()
