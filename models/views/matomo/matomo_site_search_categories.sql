-- Matomo's Actions.getSiteSearchCategories.
{{ matomo_pages_by(
    label='search_category',
    page='search_category',
    types=['search'],
    columns={
        'nb_actions': "count_if(fact = 'hit')",
        'nb_pages_per_search': matomo_pages_per_search()
    },
    only='label is not null'
) }}
