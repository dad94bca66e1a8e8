-- Matomo's Actions.getSiteSearchCategories.
{{ matomo_pages_by(
    label='search_category',
    page='search_category',
    types=['search'],
    only='label is not null'
) }}
