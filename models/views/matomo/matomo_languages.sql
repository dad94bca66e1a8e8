-- Matomo's UserLanguage.getLanguage. A dialect counts with its language. The name comes from visits
-- without a dialect, because a dialect is named only as `Language code en-us`.
{{ matomo_visits_by(
    label="if(endswith(language_name, ' ' || language_code), null, coalesce(language_name, 'Unknown'))",
    code="coalesce(split_part(language_code, '-', 1), 'xx')"
) }}
