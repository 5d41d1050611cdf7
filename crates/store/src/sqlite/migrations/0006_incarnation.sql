-- When this life of the store began by a restore, and when it was last backed up; NULL if never.
ALTER TABLE meta ADD COLUMN restored_at INTEGER;
ALTER TABLE meta ADD COLUMN backed_up_at INTEGER;
