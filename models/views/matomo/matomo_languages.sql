-- Matomo's UserLanguage.getLanguage. Dialects count with their language, and take its name from
-- visits that have it: theirs is `Language code en-us`.
{{ matomo_visits_by(
    label="if(endswith(language_name, ' ' || language_code), null, coalesce(language_name, 'Unknown'))",
    code="coalesce(split_part(language_code, '-', 1), 'xx')"
) }}
