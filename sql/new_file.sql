-- Marks the file of a new warehouse: no text is in it but what readers may get.
-- Grain: publishable_file none; that the table exists is the mark.
-- Inputs -> outputs: none -> table publishable_file.
-- Running it twice is safe: it leaves a table that is there. What takes rows back drops it, as
--   their bytes stay in the file.
CREATE TABLE IF NOT EXISTS publishable_file (
    marked_at TIMESTAMP
);
