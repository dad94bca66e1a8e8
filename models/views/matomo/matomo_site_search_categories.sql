-- Matomo's Actions.getSiteSearchCategories.
{{ matomo_pages_by(
    label=matomo_decoded('search_category'),
    page='search_category',
    types=['search'],
    columns={
        'nb_actions': "count_if(fact = 'hit')",
        'nb_pages_per_search': "round(count_if(fact = 'hit')"
            ~ " / nullif(count(distinct if(fact = 'hit', visit_key, null)), 0), 1)"
    },
    only='label is not null'
) }}
