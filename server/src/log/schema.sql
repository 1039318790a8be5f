-- The event log: one row a command, with what became of it. Rows are only ever added.
--
-- Follow it by hand on a copy or on the live file (readers never disturb the writer):
--   sqlite3 -readonly -header -column events.sqlite 'SELECT * FROM event_log_readable LIMIT 20'
-- Bodies are packed; `stampede log cat` shows them as words.
--
-- No index besides the key, and no CHECK: the chain hash over every column finds more than a
-- CHECK could, and each index would be written once more for every command.

CREATE TABLE event_log (
    seq         INTEGER PRIMARY KEY, -- position; the first is 1, none is missing
    recorded_at INTEGER NOT NULL,    -- when it was decided, milliseconds since 1970-01-01 UTC
    actor       INTEGER NOT NULL,    -- who asked: the seq that registered them; 0 is nobody
    key         BLOB    NOT NULL,    -- idempotency key, 16 bytes
    kind        INTEGER NOT NULL,    -- which command: system * 256 + number
    schema      INTEGER NOT NULL,    -- version of the command's layout
    codec       INTEGER NOT NULL,    -- how body and outcome are packed
    body        BLOB    NOT NULL,    -- the command
    outcome     BLOB    NOT NULL,    -- first byte 0: accepted, with the event; 1: refused, with the reason
    hash        BLOB    NOT NULL     -- BLAKE3 over the previous hash and this row, 32 bytes
) STRICT;

CREATE VIEW event_log_readable AS
SELECT
    seq,
    strftime('%Y-%m-%dT%H:%M:%fZ', recorded_at / 1000.0, 'unixepoch') AS recorded_at,
    actor,
    CASE kind >> 8 WHEN 1 THEN 'accounts' WHEN 2 THEN 'agenda' ELSE kind >> 8 END AS system,
    kind & 255 AS number,
    schema,
    CASE substr(outcome, 1, 1) WHEN x'00' THEN 'accepted' WHEN x'01' THEN 'refused' ELSE '?' END AS outcome,
    length(body) AS body_bytes,
    lower(hex(key)) AS key,
    lower(hex(hash)) AS hash
FROM event_log;
