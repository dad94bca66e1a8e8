-- Matomo's Actions.getExitPageUrls.
{{ matomo_pages_by(
    label=matomo_page_label('url'),
    page=matomo_page('url'),
    types=['page'],
    entry='is_entry_url',
    exit='is_exit_url',
    only='exit_nb_visits > 0'
) }}
