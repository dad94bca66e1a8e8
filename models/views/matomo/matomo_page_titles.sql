-- Matomo's Actions.getPageTitles.
{{ matomo_pages_by(
    label="coalesce(trim(title), 'Page Name not defined')",
    page="coalesce(title, '')",
    types=['page'],
    entry='is_entry_title',
    exit='is_exit_title'
) }}
