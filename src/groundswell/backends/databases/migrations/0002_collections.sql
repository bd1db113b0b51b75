-- Collections of documents: what they were filled from, and the text of each page as it was read.
CREATE TABLE collections (
    tenant text NOT NULL, name text NOT NULL, source text NOT NULL, embedding text NOT NULL DEFAULT '',
    created timestamptz NOT NULL DEFAULT clock_timestamp(), updated timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, name)
);
-- `digest` is that of the bytes that were read: a page is made again only where they changed.
CREATE TABLE documents (
    tenant text NOT NULL, collection text NOT NULL, path text NOT NULL, source text NOT NULL, title text NOT NULL,
    digest text NOT NULL, etag text NOT NULL DEFAULT '', modified text NOT NULL DEFAULT '', bytes bigint NOT NULL,
    passages int NOT NULL, links jsonb NOT NULL DEFAULT '[]', retrieved timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, collection, path),
    FOREIGN KEY (tenant, collection) REFERENCES collections (tenant, name) ON DELETE CASCADE
);
