-- Matomo's Actions.getSiteSearchNoResultKeywords: as in Matomo those that found nothing all day, on
-- some day of the period.
{{ matomo_pages_by(
    label="coalesce(" ~ matomo_decoded('search_keyword') ~ ", 'Keyword not defined')",
    page="coalesce(search_keyword, '')",
    types=['search'],
    exit='is_exit_title',
    columns={
        'nb_pages_per_search': "round(count_if(fact = 'hit')"
            ~ " / nullif(count(distinct if(fact = 'hit', visit_key, null)), 0), 1)",
        'nb_no_result_hits': "count_if(fact = 'hit' and search_result_count = 0)",
        'found_nothing': "coalesce(bool_or(fact = 'hit' and of_day = 0), false)"
    },
    of_day='max(search_result_count)',
    only='found_nothing'
) }}
