-- A store of version 1, as released: kept so that every later version can read it.
PRAGMA application_id = 1382377299;
PRAGMA user_version = 1;
BEGIN;
CREATE TABLE provenance (
    digest  TEXT PRIMARY KEY,
    content TEXT NOT NULL  -- JSON; the same for all runs of a pack, so kept once
);
CREATE TABLE record (
    sequence   INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of arrival; never used twice
    run        TEXT NOT NULL UNIQUE,
    cell       TEXT NOT NULL,
    status     TEXT NOT NULL,
    reason     TEXT,
    epochs     INTEGER NOT NULL,
    seconds    REAL NOT NULL,
    started    TEXT NOT NULL,  -- ISO 8601, UTC
    finished   TEXT NOT NULL,
    task       TEXT NOT NULL,  -- JSON
    metrics    TEXT NOT NULL,  -- JSON; null where a value is not finite
    provenance TEXT NOT NULL REFERENCES provenance (digest),
    measured   TEXT NOT NULL,  -- JSON: names of the rows of curves
    curves     BLOB NOT NULL,  -- zlib of float32, little-endian, C order, [measured, epochs]
    checksum   INTEGER NOT NULL  -- CRC-32 of the columns from run to curves
);
CREATE TABLE fact (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL  -- JSON
);
INSERT INTO provenance VALUES ('7f93a683e4f956ff', '{"torch":"2.15.0","pack":2}');
INSERT INTO record VALUES (
    1,
    '00112233aabbccdd',
    'aabbccdd00112233',
    'diverged',
    'loss is nan',
    2,
    1.25,
    '2026-03-01T12:00:00.000+00:00',
    '2026-03-01T12:00:01.250+00:00',
    '{"dataset":{"kind":"digits","label_noise":0.4,"validation":0,"fingerprint":"f0"},"model":{"kind":"mlp","widths":[128]},"train":{"optimizer":{"kind":"adam","lr":0.0001},"epochs":3},"regularizers":[{"kind":"volumization","v":0.5,"alpha":1.0}],"seed":3}',
    '{"test_accuracy":null,"test_accuracy_best":0.5}',
    '7f93a683e4f956ff',
    '["train_loss","test_accuracy"]',
    X'780163605070606068b063606000617b000db3019c',
    23301952
);
INSERT INTO record VALUES (
    2,
    '00112233aabbccde',
    'aabbccdd00112233',
    'failed',
    'worker lost',
    0,
    0.0,
    '2026-03-01T12:00:00.000+00:00',
    '2026-03-01T12:00:01.250+00:00',
    '{"dataset":{"kind":"digits","label_noise":0.4,"validation":0,"fingerprint":"f0"},"model":{"kind":"mlp","widths":[128]},"train":{"optimizer":{"kind":"adam","lr":0.0001},"epochs":3},"regularizers":[{"kind":"volumization","v":0.5,"alpha":1.0}],"seed":4}',
    '{}',
    '7f93a683e4f956ff',
    '[]',
    X'7801030000000001',
    2823298310
);
INSERT INTO fact VALUES ('name', '"golden"');
COMMIT;
