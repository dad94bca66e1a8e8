-- Matomo's Actions.getPageUrls. One row per page, without the folders
-- that Matomo puts above it.
{{ matomo_pages_by(
    label=matomo_page_label('url'),
    page=matomo_page('url'),
    types=['page'],
    entry='is_entry_url',
    exit='is_exit_url'
) }}
