-- Matomo's UserLanguage.getLanguageCode, labelled as `French (fr)`. Of a dialect the export has no
-- name but `Language code en-us`.
{{ matomo_visits_by(
    label="""
        if(
            endswith(language_name, ' ' || language_code),
            language_name,
            coalesce(language_name, 'Unknown') || ' (' || coalesce(language_code, 'xx') || ')'
        )
    """,
    code="coalesce(language_code, 'xx')"
) }}
