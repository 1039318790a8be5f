"""Leaves it to the database that a slot is booked once: UNIQUE, and a commit that waits for the disk. Right,
also when it is killed.

    python3 sqlite-unique.py PORT FILE
"""

import sqlite3
import sys
import threading

import booking

TABLE = """CREATE TABLE IF NOT EXISTS booking (
    id INTEGER PRIMARY KEY AUTOINCREMENT, slot TEXT NOT NULL UNIQUE, user TEXT NOT NULL)"""


class Store:
    def __init__(self, path):
        self.path = path
        self.local = threading.local()
        database = self.database()
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(TABLE)

    def database(self):
        """A connection for each thread; every statement is a transaction of its own."""
        if not hasattr(self.local, "database"):
            self.local.database = sqlite3.connect(self.path, timeout=10, isolation_level=None)
            self.local.database.execute("PRAGMA synchronous = FULL")
        return self.local.database

    def book(self, slot, user):
        insert = "INSERT INTO booking (slot, user) VALUES (?, ?)"
        try:
            return self.database().execute(insert, (slot, user)).lastrowid
        except sqlite3.IntegrityError:
            raise booking.Refused("taken") from None

    def cancel(self, number):
        return 0 < self.database().execute("DELETE FROM booking WHERE id = ?", (number,)).rowcount

    def all(self):
        rows = self.database().execute("SELECT id, slot, user FROM booking")
        return [(number, (slot, user)) for number, slot, user in rows]


if __name__ == "__main__":
    booking.serve(Store(sys.argv[2]))
