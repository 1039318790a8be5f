"""Keeps a day as one document with a version, and writes it back only if nobody else has meanwhile. Booking
says so when somebody had; giving back forgets to, and answers that it is done.

    python3 optimistic.py PORT
"""

import itertools
import threading
import time

import booking


class Documents:
    """A store of documents, each with its version."""

    def __init__(self):
        self.lock = threading.Lock()
        self.documents = {}  # name: (version, {id: (slot, user)})

    def read(self, name):
        with self.lock:
            return self.documents.get(name, (0, {}))

    def write(self, name, version, document):
        """Whether it was still at this version."""
        with self.lock:
            if self.documents.get(name, (0, {}))[0] != version:
                return False
            self.documents[name] = (version + 1, document)
            return True


class Store:
    def __init__(self):
        self.ids = itertools.count(1)
        self.days = {}  # id: day
        self.documents = Documents()

    def book(self, slot, user):
        day = slot.rsplit("-", 1)[0]
        version, document = self.documents.read(day)
        if any(held == slot for held, _ in document.values()):
            raise booking.Refused("taken")
        number = next(self.ids)
        self.days[number] = day
        time.sleep(0.0005)  # a trip to the store
        if not self.documents.write(day, version, {**document, number: (slot, user)}):
            raise booking.Refused("somebody else was faster, try again")
        return number

    def cancel(self, number):
        day = self.days.get(number)
        version, document = self.documents.read(day)
        if number not in document:
            return False
        time.sleep(0.0005)
        rest = {other: held for other, held in document.items() if other != number}
        self.documents.write(day, version, rest)  # and if somebody else was faster?
        return True

    def all(self):
        days = list(set(self.days.values()))
        return [entry for day in days for entry in self.documents.read(day)[1].items()]


if __name__ == "__main__":
    booking.serve(Store())
