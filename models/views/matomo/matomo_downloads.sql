-- Matomo's Actions.getDownloads.
{{ matomo_pages_by(
    label=matomo_link_label('url'),
    page="coalesce(url, '')",
    types=['download']
) }}
