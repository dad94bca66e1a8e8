-- Matomo's Actions.getEntryPageUrls.
{{ matomo_pages_by(
    label=matomo_page_label('url'),
    page=matomo_page('url'),
    types=['page'],
    entry='is_entry_url',
    exit='is_exit_url',
    only='entry_nb_visits > 0'
) }}
