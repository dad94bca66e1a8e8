-- Matomo's Actions.getPageUrls: one row per page. Matomo's folders above the pages are left out.
{{ matomo_pages_by(
    label=matomo_page_label('url'),
    page=matomo_page('url'),
    types=['page'],
    entry='is_entry_url',
    exit='is_exit_url'
) }}
