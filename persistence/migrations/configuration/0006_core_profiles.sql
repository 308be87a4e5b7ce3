-- +goose Up
-- Core profiles are server profiles of type core. Where both kinds ever had a
-- profile of one name, that of the Core becomes NAME-core, in the inspection
-- settings too.
CREATE TEMPORARY TABLE shared_names AS
    SELECT DISTINCT key FROM edits WHERE kind = 'core_profile'
    INTERSECT
    SELECT key FROM edits WHERE kind = 'server_profile';

UPDATE items SET document = json_set(document, '$.profile', document ->> '$.profile' || '-core')
    WHERE kind = 'settings' AND key = 'inspection' AND document ->> '$.profile' IN (SELECT key FROM shared_names);
UPDATE edits SET before = json_set(before, '$.profile', before ->> '$.profile' || '-core')
    WHERE kind = 'settings' AND key = 'inspection' AND before ->> '$.profile' IN (SELECT key FROM shared_names);
UPDATE edits SET after = json_set(after, '$.profile', after ->> '$.profile' || '-core')
    WHERE kind = 'settings' AND key = 'inspection' AND after ->> '$.profile' IN (SELECT key FROM shared_names);

UPDATE items SET document = json_set(document, '$.name', key || '-core'), key = key || '-core'
    WHERE kind = 'core_profile' AND key IN (SELECT key FROM shared_names);
UPDATE edits SET before = json_set(before, '$.name', key || '-core'), after = json_set(after, '$.name', key || '-core'),
        key = key || '-core'
    WHERE kind = 'core_profile' AND key IN (SELECT key FROM shared_names);

DROP TABLE shared_names;

-- The type goes behind the name, where the program writes it.
UPDATE items SET kind = 'server_profile',
        document = json_patch(json_object('name', key, 'type', 'core'), document)
    WHERE kind = 'core_profile';
UPDATE edits SET kind = 'server_profile',
        before = json_patch(json_object('name', key, 'type', 'core'), before),
        after = json_patch(json_object('name', key, 'type', 'core'), after)
    WHERE kind = 'core_profile';
