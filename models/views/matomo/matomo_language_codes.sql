-- Matomo's UserLanguage.getLanguageCode, labelled as `French (fr)`. The export names a dialect only
-- as `Language code en-us`.
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
