-- A store of version 2, as released: kept so that every later version can read it.
PRAGMA application_id = 1382377299;
PRAGMA user_version = 2;
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
    checksum   INTEGER NOT NULL,  -- CRC-32 of the columns from run to curves, and of what follows
    distributions BLOB NOT NULL DEFAULT X''  -- zlib of JSON: histograms by name; empty: none
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
    'completed',
    NULL,
    2,
    1.25,
    '2026-03-01T12:00:00.000+00:00',
    '2026-03-01T12:00:01.250+00:00',
    '{"dataset":{"kind":"digits","label_noise":0.4,"validation":0,"fingerprint":"f0"},"model":{"kind":"mlp","widths":[128]},"train":{"optimizer":{"kind":"adam","lr":0.0001},"epochs":3},"measure":[{"kind":"histograms","every":null,"bins":4,"vector_bins":2}],"regularizers":[{"kind":"volumization","v":0.5,"alpha":1.0}],"seed":3}',
    '{"test_accuracy":0.5,"peak_share":null}',
    '7f93a683e4f956ff',
    '["train_loss","test_accuracy"]',
    X'780163605070606068b08360067b0010b3021c',
    3811829646,
    X'7801758fd10e82300c45ffa5cf65b66cacba5f313e2021b08840320c89847f774a5878f1ed26b73da75d60ae7dd34ee1446a4be016e886195c46aa4068630bee17abe1d54f01dc5523d3e55230db5c442c12ca0d61accb07b81ce1e943f07d13b7563ce0efbe8ccb3b5c148bb1e6cc5ab4d1644d9d19bdebfe94e900c22209e920e428ecfc18aad64fefe4221567b63fd87e73e2703c9d13890f245ad70fc6fd50ec'
);
INSERT INTO record VALUES (
    2,
    '00112233aabbccde',
    'aabbccdd00112233',
    'diverged',
    'loss is nan',
    1,
    0.5,
    '2026-03-01T12:00:00.000+00:00',
    '2026-03-01T12:00:01.250+00:00',
    '{"dataset":{"kind":"digits","label_noise":0.4,"validation":0,"fingerprint":"f0"},"model":{"kind":"mlp","widths":[128]},"train":{"optimizer":{"kind":"adam","lr":0.0001},"epochs":3},"measure":[{"kind":"histograms","every":null,"bins":4,"vector_bins":2}],"regularizers":[{"kind":"volumization","v":0.5,"alpha":1.0}],"seed":4}',
    '{}',
    '7f93a683e4f956ff',
    '["train_loss"]',
    X'780163605070000000840061',
    729697012,
    X''
);
INSERT INTO fact VALUES ('name', '"golden"');
COMMIT;
