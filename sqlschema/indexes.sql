-- indexes.sql - what makes the views quick, created after the first load.
--
-- allocation_data has none: reports over blocks read the range of their
-- profile, which is faster than to keep an index for them.

-- Finds the sites of a profile.
CREATE INDEX site_by_profile ON site_data (profile_id);

-- Finds the sites of a signature in all profiles.
CREATE INDEX site_by_signature ON site_data (signature_id, profile_id)
  WHERE signature_id IS NOT NULL;

-- Finds the callsites of a profile.
CREATE INDEX callsite_by_profile ON callsite_data (profile_id);

-- Finds the frames of a profile.
CREATE INDEX frame_by_profile ON frame_data (profile_id);

-- Finds the names of a profile.
CREATE INDEX name_by_profile ON name_data (profile_id);

-- Finds the profiles that bear a label.
CREATE INDEX label_by_value ON label_data (key, value);
