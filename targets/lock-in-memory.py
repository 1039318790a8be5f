"""Looks and books under one lock, in memory: right as long as it lives, and everything is gone when it is
killed.

    python3 lock-in-memory.py PORT
"""

import itertools
import threading

import booking


class Store:
    def __init__(self):
        self.lock = threading.Lock()
        self.ids = itertools.count(1)
        self.bookings = {}  # id: (slot, user)

    def book(self, slot, user):
        with self.lock:
            if any(held == slot for held, _ in self.bookings.values()):
                raise booking.Refused("taken")
            number = next(self.ids)
            self.bookings[number] = (slot, user)
            return number

    def cancel(self, number):
        with self.lock:
            return self.bookings.pop(number, None) is not None

    def all(self):
        with self.lock:
            return list(self.bookings.items())


if __name__ == "__main__":
    booking.serve(Store())
