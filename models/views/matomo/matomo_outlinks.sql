-- Matomo's Actions.getOutlinks.
{{ matomo_pages_by(
    label=matomo_link_label('url'),
    page="coalesce(url, '')",
    types=['outlink']
) }}
