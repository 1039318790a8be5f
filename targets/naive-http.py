"""Looks whether a slot is free, and then books it, as many do: two people who look at the same time both
find it free.

    python3 naive-http.py PORT
"""

import itertools
import time

import booking


class Store:
    def __init__(self):
        self.ids = itertools.count(1)
        self.bookings = {}  # id: (slot, user)

    def book(self, slot, user):
        if any(held == slot for held, _ in list(self.bookings.values())):  # check ...
            raise booking.Refused("taken")
        time.sleep(0.001)  # ... a trip to the database takes as long ...
        number = next(self.ids)
        self.bookings[number] = (slot, user)  # ... then insert
        return number

    def cancel(self, number):
        return self.bookings.pop(number, None) is not None

    def all(self):
        return list(self.bookings.items())


if __name__ == "__main__":
    booking.serve(Store())
