-- Matomo's UserLanguage.getLanguage. Dialects count with their language.
{{ matomo_visits_by(
    label="coalesce(language_name, 'Unknown')",
    code="coalesce(split_part(language_code, '-', 1), 'xx')"
) }}
