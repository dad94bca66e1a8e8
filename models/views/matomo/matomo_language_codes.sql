-- Matomo's UserLanguage.getLanguageCode.
{{ matomo_visits_by(
    label="coalesce(language_name, 'Unknown')",
    code="coalesce(language_code, 'xx')"
) }}
