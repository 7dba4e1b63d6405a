-- A made-up streaming catalogue: its vocabulary, its state from day to day, and its CSV text.
-- Grain: titles one row per living title; corrections per corrected field; part per CSV line.
-- Inputs -> outputs: variables seed and one_in (defect -> one record in N) -> those tables, empty,
--   and the macros picked(), living_titles(), sample_part() and counts_of_part().
-- Values come from integer arithmetic on (seed, id, salt): hash() may change with DuckDB's version.
-- Running it twice is safe: it replaces macros, variables and temporary tables, nothing else.

-- Drawing: scramble is a bijection on 32 bits (xor-shift, odd multiplier): no ids share a noise.
-- A draw multiplies the noise by an odd constant made from its salt and scales the result to n.

CREATE OR REPLACE TEMP MACRO scramble(x) AS (xor(x, x >> 16) * 73244475) & 4294967295;

CREATE OR REPLACE TEMP MACRO noise(id, salt) AS
    xor(scramble(scramble(scramble((id + salt * 2654435761) & 4294967295))), getvariable('seed'));

-- 0 .. n - 1, for n up to 2^31
CREATE OR REPLACE TEMP MACRO draw(h, salt, n) AS
    (((h * ((scramble(scramble(CAST(salt AS BIGINT))) >> 1) | 1)) & 4294967295) * n) >> 32;

CREATE OR REPLACE TEMP MACRO item(name, i) AS
    getvariable(name)[i % len(getvariable(name)) + 1];

CREATE OR REPLACE TEMP MACRO pick(name, h, salt) AS
    getvariable(name)[draw(h, salt, len(getvariable(name))) + 1];

-- The row whose id is the salt always has the defect, so a file of 16 rows has each of them.
CREATE OR REPLACE TEMP MACRO planted(id, h, salt, every) AS id = salt OR draw(h, salt, every) = 0;

CREATE OR REPLACE TEMP MACRO csv_field(v) AS
    CASE
        WHEN contains(v, ',') OR contains(v, '"') OR contains(v, e'\n')
            THEN '"' || replace(v, '"', '""') || '"'
        ELSE coalesce(v, '')
    END;

-- Vocabulary. What can stand in a Windows-1252 line (titles, descriptions) keeps to its letters.

CREATE OR REPLACE TEMP MACRO words(t) AS regexp_split_to_array(trim(t, e' \n'), '\s+');

CREATE OR REPLACE TEMP MACRO phrases(t) AS regexp_split_to_array(trim(t, e' \n'), '\s*;\s*');

-- Names by culture: what a first name can be joined to, so that nobody is called "宮崎 Müller".
CREATE OR REPLACE TEMP TABLE people AS
WITH cultures (separator, firsts, lasts) AS (
    VALUES
        (
            ' ',
            words('Ada Adrian Alice Amelia Andrew Anna Arthur Beatrice Ben Brian Calvin Carla
                Chloé Clara Daniel Daphne Dexter Edith Edwin Eleanor Eliot Emma Ethan Felix Fiona
                Flora George Grace Hannah Harold Harriet Henry Hugo Ida Iris Ivan Jack Jasmine
                Joan Jonah Judith Julia Kate Laura Leo Lewis Lydia Marcus Martha Max Miles Nina
                Noah Olive Oscar Penny Quentin Renée Rose Ruth Samuel Stella Theo Tom Vera Victor
                Violet Walter Wendy Zoë'),
            words('Abbott Archer Ashby Barlow Bennett Blackwood Brook Calloway Carver Chapman
                Clarke Conway Crane Dalton Drake Ellison Everett Fairfax Finch Fletcher Garner
                Gibbs Graves Hale Hargrove Hawthorne Holloway Ingram Jarvis Keller Kendrick
                Lancaster Langley Lockhart Marlow Mercer Merrick Nash Norwood O''Connell O''Neal
                Osborne Parrish Pembroke Prescott Quill Ramsey Redfern Rhodes Sawyer Shaw Sinclair
                Slater Stanton Sutton Thorne Tremaine Underhill Vance Wainwright Walsh Webster
                Whitlock Winslow Wyatt Yates')
        ),
        (
            ' ',
            words('Åse Astrid Bjørn Bodil Britt Dag Elin Freja Gunnar Göran Håkan Inger Jörg Jürgen
                Karin Käthe Lars Liv Magnus Mads Niels Sigrid Søren Torbjörn Ulrike Viggo'),
            words('Ångström Andersen Bäcker Berg Dahl Ek Förster Grönlund Günther Haugen Holm
                Jørgensen Köhler Lindström Lund Møller Müller Nyström Östberg Schäfer Schröder
                Sjöberg Strøm Vogel Weiß Winther')
        ),
        (
            ' ',
            words('Agnès Aïcha Álvaro Andrés Ângela Benoît Camila Cécile Chiara Diego Élodie
                Fabián François Gonçalo Inês Jérôme João José Lucía Luis Marco Mariana Noël Núria
                Paola Rafael René Sofía Thiago Ximena'),
            words('Álvarez Araújo Bianchi Bélanger Castro Conceição Côté Delacroix Durand Espósito
                Ferreira Fernández Garça Gómez Ibáñez Lefèvre Lopes Magalhães Moreau Muñoz Núñez
                Peña Quiñones Ríos Romano Sánchez Simões Téllez Vidal Zúñiga')
        ),
        (
            ' ',
            words('Aarav Aditi Ananya Arjun Chaitanya Deepa Farhan Gauri Harsh Ishaan Jaya Kabir
                Kavya Lakshmi Manoj Meera Naveen Nisha Pooja Rahul Rekha Rohan Sanjay Shreya Tara
                Uday Vidya'),
            words('Agarwal Banerjee Bhatt Chopra Das Desai Gill Iyer Joshi Kapoor Khanna Kulkarni
                Malhotra Menon Mukherjee Nair Patil Pillai Rao Reddy Saxena Sen Sharma Thakur
                Varma')
        ),
        (
            ' ',
            words('Ayşe Barış Çağla Deniz Emre Gökhan İpek Kıvanç Ömer Şebnem Tuğçe Yiğit'),
            words('Aydın Çelik Demir Doğan Güneş Kılıç Ökten Öztürk Şahin Yıldız')
        ),
        (
            ' ',
            words('Agnieszka Bożena Jiří Łukasz Małgorzata Ondřej Paweł Zuzanna'),
            words('Dvořák Kowalczyk Krawiec Novák Řezníček Wiśniewski Wójcik Žižka')
        ),
        (' ', words('Nguyễn Phạm Trần Đặng Lê'), words('Ánh Bảo Đức Hương Minh Thảo Tuấn Việt')),
        ('', words('김 박 이 최 정 강 조 윤'), words('민준 서연 지훈 하은 도윤 수빈 예준 지우')),
        ('', words('宮崎 佐藤 高橋 田中 渡辺 山本'), words('翔太 美咲 健一 陽子 大輔 由美')),
        (' ', words('أحمد فاطمة خالد ليلى يوسف مريم'), words('الحسن المصري حداد خوري منصور ناصر')),
        (
            ' ',
            words('अमित आशा दीपक कविता राजेश सुनीता'),
            words('शर्मा वर्मा गुप्ता मिश्रा सिंह यादव')
        )
),
first_names AS (
    SELECT
        separator,
        unnest(firsts) AS first_name,
        lasts,
    FROM cultures
),
full_names AS (
    SELECT first_name || separator || unnest(lasts) AS person,
    FROM first_names
)
SELECT
    person,
    -- 0 accented and within Windows-1252, 1 ASCII, 2 any other script
    CASE
        WHEN NOT regexp_full_match(person, '[ -~À-ÿ]+') THEN 2
        WHEN regexp_full_match(person, '[ -~]+') THEN 1
        ELSE 0
    END AS script,
FROM full_names;

-- md5 shuffles within each script: neighbours in the list are no neighbours in the alphabet.
SET VARIABLE people = (SELECT list(person ORDER BY script, md5(person)) FROM people);
SET VARIABLE accented = (SELECT count(*) FROM people WHERE script = 0);
SET VARIABLE encodable = (SELECT count(*) FROM people WHERE script < 2);

-- Countries of the real file with the number of its titles that name each; the United States (there
-- 3,691) have more, because fewer titles here name a second country: with it they are in 42 %.
CREATE OR REPLACE TEMP TABLE countries AS
SELECT
    split_part(entry, '=', 1) AS country,
    CAST(split_part(entry, '=', 2) AS INTEGER) AS titles,
FROM (
    SELECT unnest(phrases('
        United States=4700; India=1046; United Kingdom=806; Canada=445; France=393; Japan=318;
        Spain=232; South Korea=232; Germany=226; Mexico=169; China=162; Australia=160; Egypt=117;
        Turkey=113; Hong Kong=105; Nigeria=103; Italy=100; Brazil=97; Argentina=91; Belgium=90;
        Indonesia=90; Taiwan=89; Philippines=83; Thailand=70; South Africa=62; Colombia=52;
        Netherlands=50; Denmark=48; Ireland=46; Sweden=42; Singapore=41; Poland=41;
        United Arab Emirates=37; New Zealand=33; Lebanon=31; Israel=30; Norway=30; Chile=29;
        Russia=27; Malaysia=26; Pakistan=24; Czech Republic=22; Switzerland=19; Romania=14;
        Uruguay=14; Saudi Arabia=13; Austria=12; Luxembourg=12; Finland=11; Greece=11; Hungary=11;
        Iceland=11; Bulgaria=10; Qatar=10; Peru=10; Jordan=9; Kuwait=8; Vietnam=7; Serbia=7;
        Kenya=6; Cambodia=6; Portugal=6; Morocco=6; Ghana=5; West Germany=5; Venezuela=4;
        Bangladesh=4; Croatia=4; Iran=4; Algeria=3; Senegal=3; Malta=3; Zimbabwe=3;
        Soviet Union=3; Ukraine=3; Slovenia=3; Nepal=2; Namibia=2; Georgia=2; Cyprus=1; Jamaica=1;
        Mongolia=1; Samoa=1')) AS entry,
) AS entries;

SET VARIABLE countries = (
    SELECT list(country ORDER BY country)
    FROM countries
    CROSS JOIN range(titles)
);

-- Ratings and genres of the real file; a common one is listed more than once. No rating follows
-- itself, so that the next in the list is always a correction.
SET VARIABLE movie_ratings = phrases('TV-MA; R; TV-14; TV-MA; PG-13; TV-PG; TV-MA; TV-14; R; PG;
    TV-MA; TV-14; TV-MA; TV-G; TV-14; TV-Y7; TV-MA; TV-14; PG-13; TV-PG; R; TV-MA; TV-Y; TV-14');
SET VARIABLE show_ratings = phrases('TV-MA; TV-14; TV-PG; TV-MA; TV-Y7; TV-MA; TV-Y; TV-14; TV-G;
    TV-MA; TV-14; TV-PG');
SET VARIABLE rare_ratings = phrases('NR; G; NR; TV-Y7-FV; G; NR; NC-17; UR');
SET VARIABLE movie_genres = phrases('
    International Movies; Dramas; Comedies; International Movies; Documentaries;
    Action & Adventure; Dramas; Independent Movies; Children & Family Movies; Romantic Movies;
    International Movies; Comedies; Thrillers; Music & Musicals; Dramas; Horror Movies;
    Stand-Up Comedy; International Movies; Sci-Fi & Fantasy; Sports Movies; Dramas;
    Classic Movies; Comedies; LGBTQ Movies; Anime Features; International Movies; Cult Movies;
    Faith & Spirituality; Documentaries; Movies');
SET VARIABLE show_genres = phrases('
    International TV Shows; TV Dramas; TV Comedies; International TV Shows; Crime TV Shows;
    Kids'' TV; Docuseries; International TV Shows; Romantic TV Shows; Reality TV;
    British TV Shows; TV Dramas; Anime Series; Spanish-Language TV Shows; TV Action & Adventure;
    International TV Shows; Korean TV Shows; TV Mysteries; Science & Nature TV;
    TV Sci-Fi & Fantasy; TV Horror; Teen TV Shows; TV Comedies; TV Thrillers;
    Stand-Up Comedy & Talk Shows; Classic & Cult TV; TV Shows');

-- One to three per title, in the alphabet's order as in the real file. Sorted once, not per title.
CREATE OR REPLACE TEMP MACRO genre_sets(genres) AS (
    SELECT
        list(
            array_to_string(
                list_sort(list_distinct([
                    pick(genres, noise(id, 3), 1),
                    CASE WHEN id % 100 < 77 THEN pick(genres, noise(id, 3), 2) END,
                    CASE WHEN id % 100 < 45 THEN pick(genres, noise(id, 3), 3) END,
                ])),
                ', '
            )
            ORDER BY id
        )
    FROM range(5000) AS r (id)
);

SET VARIABLE movie_genre_sets = genre_sets('movie_genres');
SET VARIABLE show_genre_sets = genre_sets('show_genres');
SET VARIABLE seasons = [1, 1, 1, 1, 1, 1, 1, 2, 1, 1, 3, 2, 1, 4, 1, 2, 5, 1, 3, 2, 1, 6, 1, 8, 1];

SET VARIABLE adjectives = words('Silent Broken Golden Hidden Last Crimson Endless Forgotten Wild
    Frozen Burning Lonely Sacred Velvet Bitter Distant Hollow Electric Gentle Restless Secret
    Stolen Scarlet Hungry Faithful Drowned Paper Iron Glass Midnight Northern Southern Borrowed
    Unlikely Perfect Dangerous Invisible Ordinary Crooked Ancient Reluctant Careless Blue Green
    Winter Summer Quiet Furious Little Second Third Final Lost Found Wounded Shining Sleepless
    Stubborn Sweet Tender Foolish Fearless Ruthless Accidental Impossible Private Royal Savage
    Mighty Magic Naïve Déjà-vu');
SET VARIABLE nouns = words('Harbor Garden River Kingdom Letter Promise Shadow Witness Stranger
    Daughter Son Hunter Orchard Mountain Ocean Mirror Clock Station Highway Hotel Kitchen Library
    Circus Empire Border Bridge Island Lighthouse Desert Forest Valley Village Wedding Funeral
    Reunion Summer Storm Fire Snow Thunder Song Dance Game Heist Trial Verdict Inheritance
    Conspiracy Recipe Robot Dragon Wolf Tiger Horse Sparrow Detective Doctor Teacher Pilot Chef
    Thief Queen King Prince Outlaw Soldier Ghost Vampire Witch Angel Neighbor Sister Brother
    Grandmother Champion Underdog Rival Partner Apprentice Architect Sailor Fiancé Café Façade
    Crème Piñata Señora Fjäll Smörgåsbord Résumé Matinée Encore');
SET VARIABLE places = phrases('Paris; Lagos; Mumbai; Seoul; Kyoto; Cairo; Istanbul; São Paulo;
    Málaga; Bogotá; Zürich; Malmö; Århus; Tromsø; Köln; Montréal; Córdoba; Reykjavík; Oslo;
    Lisbon; Naples; Prague; Vienna; Dublin; Glasgow; Cardiff; Brooklyn; Chicago; Memphis;
    New Orleans; El Paso; Anchorage; Havana; Lima; Quito; Santiago; Dakar; Accra; Nairobi;
    Cape Town; Tangier; Beirut; Amman; Dubai; Karachi; Delhi; Chennai; Kolkata; Dhaka; Bangkok;
    Manila; Jakarta; Taipei; Shanghai; Osaka; Busan; Perth; Auckland');
SET VARIABLE script_words = words('사랑 겨울 바다 비밀 東京 物語 夏祭り 約束 حكاية القاهرة البحر मोहब्बत दिल सफर
    Đường Mẹ İstanbul Aşk');
SET VARIABLE openings = phrases('After a storm cuts off the coast;
    When an old friend returns from prison; On the eve of a royal wedding; Decades after the war;
    With only ten days left until the harvest; Haunted by a childhood secret;
    Fresh out of drama school; While the city sleeps; When a map turns up in the attic;
    Against the wishes of the family; In the summer of 1969; Stranded between two borders;
    During a record-breaking heat wave; After losing everything at cards;
    When the river changes its course; Hired for one last job;
    In a town where nobody tells the truth');
SET VARIABLE heroes = phrases('detective; single father; pastry chef; retired boxer; young lawyer;
    night-shift nurse; street magician; wedding planner; widowed fisherman; exchange student;
    former spy; radio host; rookie cop; chess prodigy; stand-up comic; beekeeper; ballet dancer;
    stunt driver; substitute teacher; forensic accountant; pop idol; goat herder; ghostwriter');
SET VARIABLE goals = phrases('must choose between love and loyalty;
    sets out to prove an innocent man’s case; risks it all for the chance of a lifetime;
    goes undercover at the “Grand Hotel”; opens a restaurant with an estranged sister;
    discovers a conspiracy that reaches the palace; falls for the one person who can never know;
    trains a hopeless team for the national finals; takes a road trip with a stranger;
    uncovers the town’s best-kept secret; wins back the house known as "The Folly";
    fights to keep the family together; wakes up as someone else;
    strikes a deal with a ruthless gang leader');
SET VARIABLE twists = phrases('But the past has other plans.;
    Nobody is prepared for what follows.; Then the phone rings.; Winner of three festival awards.;
    Based on a true story.; The clock is ticking, and the exits are closed.;
    Love, of course, gets in the way.; Only one of them will come home.;
    And the neighbors are watching.; Inspired by the best-selling novel.;
    A bittersweet comedy about home, hope and soup.; What could possibly go wrong?;
    It all leads back to one "harmless" joke.; Even the dog knows more than he lets on.');
SET VARIABLE tones = words('shy brilliant grumpy lonely penniless charming fearless weary clumsy
    naïve stubborn homesick gifted disgraced hopeful');

-- The state: who lives, since which day, and how often each field has been corrected.

CREATE OR REPLACE TEMP TABLE titles (id BIGINT, born_on_day INTEGER);

CREATE OR REPLACE TEMP TABLE corrections (id BIGINT, on_day INTEGER, field VARCHAR);

-- The winners of the day's lottery: the first are deleted, the others have one field corrected.
-- Those that carry a defect by their id (see planted) do not take part.
CREATE OR REPLACE TEMP MACRO picked(today, n_deletes, n_updates) AS TABLE
WITH lottery AS (
    SELECT
        id,
        draw(noise(id, 1), today, 536870912) AS ticket,
        draw(noise(id, 2), today, 100) AS field_share,
    FROM titles
    WHERE id NOT BETWEEN 11 AND 16
    ORDER BY ticket, id
    LIMIT n_deletes + n_updates
)
SELECT
    id,
    row_number() OVER (ORDER BY ticket, id) <= n_deletes AS is_deleted,
    CASE
        WHEN field_share < 25 THEN 'rating'
        WHEN field_share < 45 THEN 'description'
        WHEN field_share < 60 THEN 'cast'
        WHEN field_share < 75 THEN 'date_added'
        WHEN field_share < 90 THEN 'duration'
        ELSE 'title'
    END AS field,
FROM lottery;

-- The state in the order of the file, with the number of corrections of each field.
CREATE OR REPLACE TEMP MACRO living_titles() AS TABLE
WITH versions AS (
    SELECT
        id,
        count(*) FILTER (WHERE field = 'rating') AS rating_v,
        count(*) FILTER (WHERE field = 'description') AS description_v,
        count(*) FILTER (WHERE field = 'cast') AS cast_v,
        count(*) FILTER (WHERE field = 'date_added') AS date_v,
        count(*) FILTER (WHERE field = 'duration') AS duration_v,
        count(*) FILTER (WHERE field = 'title') AS title_v,
    FROM corrections
    GROUP BY id
)
SELECT
    t.id,
    t.born_on_day,
    coalesce(v.rating_v, 0) AS rating_v,
    coalesce(v.description_v, 0) AS description_v,
    coalesce(v.cast_v, 0) AS cast_v,
    coalesce(v.date_v, 0) AS date_v,
    coalesce(v.duration_v, 0) AS duration_v,
    coalesce(v.title_v, 0) AS title_v,
FROM titles AS t
LEFT JOIN versions AS v ON v.id = t.id
ORDER BY t.id;

CREATE OR REPLACE TEMP TABLE living AS
FROM living_titles();

-- One row per living title from first_id to last_id, in the order of living: its line of the CSV
-- and what is in it. A value uses its number of corrections: no version equals the one before it.
CREATE OR REPLACE TEMP MACRO sample_part(first_id, last_id) AS TABLE
WITH hashed AS (
    SELECT
        *,
        noise(id, 0) AS h,
    FROM living
    WHERE id BETWEEN first_id AND last_id
),
defects AS (
    SELECT
        *,
        planted(id, h, 11, getvariable('one_in').cp1252) AS is_cp1252,
        planted(id, h, 12, getvariable('one_in').line_feed) AS has_line_feed,
        planted(id, h, 13, getvariable('one_in').duration_in_rating) AS is_shifted,
        planted(id, h, 14, getvariable('one_in').leading_blank) AS has_leading_blank,
        planted(id, h, 15, getvariable('one_in').stray_comma) AS has_stray_comma,
        planted(id, h, 16, getvariable('one_in').missing_date) AS has_no_date,
    FROM hashed
),
drawn AS (
    SELECT
        *,
        has_line_feed AND NOT is_cp1252 AS breaks_line,
        is_shifted OR draw(h, 20, 100) < 70 AS is_movie,
        -- Day 1 is the real file's last date; nearly all of it was added in the six years before.
        CASE
            WHEN born_on_day > 1 THEN DATE '2021-09-24' + born_on_day
            WHEN draw(h, 21, 100) < 85 THEN DATE '2021-09-25' - CAST(draw(h, 22, 1400) AS INTEGER)
            ELSE DATE '2021-09-25' - CAST(draw(h, 22, 2400) AS INTEGER)
        END AS added_date,
        pick('adjectives', h, 23) AS adjective,
        pick('adjectives', h, 24) AS adjective_2,
        pick('nouns', h, 25) AS noun,
        pick('nouns', h, 26) AS noun_2,
        pick('places', h, 27) AS place,
        item('people', draw(h, 28, getvariable('encodable'))) AS hero_name,
        pick('countries', h, 29) AS country_1,
        pick('countries', h, 30) AS country_2,
        pick('countries', h, 31) AS country_3,
        draw(h, 32, 100) AS title_template,
        draw(h, 33, 100) AS country_share,
        draw(h, 34, 100) AS director_share,
        draw(h, 36, 100) AS age_share,
        -- people of the line: all of them within Windows-1252 where the line is written in it
        CASE
            WHEN is_cp1252 THEN getvariable('encodable') ELSE len(getvariable('people'))
        END AS people_pool,
        CASE WHEN draw(h, 37, 100) < 9 THEN 0 ELSE 1 + draw(h, 38, 7) + draw(h, 39, 7) END
            + cast_v AS cast_size,
    FROM defects
),
built AS (
    SELECT
        id,
        is_movie,
        is_cp1252,
        is_shifted AND rating_v = 0 AS is_shifted,
        CASE
            -- one word: the titles that repeat, about 5 in 10,000 as in the real file
            WHEN draw(h, 59, 1000) < 3 THEN noun
            WHEN title_template < 2 THEN concat('The ', adjective, ' ', noun)
            WHEN title_template < 4 THEN concat(noun, ' & ', noun_2)
            WHEN title_template < 30
                THEN concat(noun, ' of ', place, ': ', adjective, ' ', noun_2)
            WHEN title_template < 45 THEN concat(hero_name, ' and the ', adjective, ' ', noun)
            WHEN title_template < 60
                THEN concat('The ', adjective, ' ', noun, ', the ', adjective_2, ' ', noun_2)
            WHEN title_template < 70
                THEN concat(adjective, ' ', noun, ', ', adjective_2, ' ', noun_2)
            WHEN title_template < 78 THEN concat('From ', place, ' with ', hero_name)
            WHEN title_template < 88 THEN concat(hero_name, '''s ', adjective, ' ', noun)
            WHEN title_template < 93
                THEN concat('"', adjective, ' ', noun, '" and Other Tales from ', place)
            WHEN title_template < 97 OR is_cp1252
                THEN concat(adjective, ' ', noun, ': The ', hero_name, ' Story')
            ELSE concat(pick('script_words', h, 40), ': ', adjective, ' ', noun, ' in ', place)
        END
            || CASE WHEN breaks_line AND id % 2 = 1 THEN e'\nin Concert' ELSE '' END
            || CASE WHEN title_v % 2 = 1 THEN ' (Extended Cut)' ELSE '' END AS title,
        CASE
            WHEN is_cp1252 THEN item('people', draw(h, 41, getvariable('accented')))
            WHEN director_share < 30 THEN NULL
            WHEN director_share < 93 THEN item('people', draw(h, 41, people_pool))
            ELSE item('people', draw(h, 41, people_pool)) || ', '
                || item('people', (draw(h, 41, people_pool) + 1) % people_pool)
        END AS director,
        -- Steps of 101 through a pool that 101 does not divide: nobody plays twice in one cast.
        array_to_string(
            list_select(
                getvariable('people'),
                list_transform(
                    range(cast_size),
                    lambda j: (draw(h, 42, people_pool) + j * 101) % people_pool + 1
                )
            ),
            ', '
        ) AS cast_list,
        CASE
            WHEN has_stray_comma AND id % 2 = 1 THEN ', ' || country_1
            WHEN has_stray_comma THEN country_1 || ','
            WHEN country_share < 9 THEN NULL
            ELSE country_1
                || CASE
                    WHEN country_share < 24 AND country_2 <> country_1 THEN ', ' || country_2
                    ELSE ''
                END
                || CASE
                    WHEN country_share < 14 AND country_3 NOT IN (country_1, country_2)
                        THEN ', ' || country_3
                    ELSE ''
                END
        END AS country,
        CASE
            WHEN has_no_date AND date_v = 0 THEN NULL
            ELSE CASE WHEN has_leading_blank THEN ' ' ELSE '' END
                || strftime(added_date + CAST(date_v AS INTEGER), '%B %-d, %Y')
        END AS date_added,
        year(added_date) - CASE
            WHEN age_share < 70 THEN draw(h, 43, 4)
            WHEN age_share < 93 THEN draw(h, 43, 15)
            ELSE draw(h, 43, 75)
        END AS release_year,
        CASE
            WHEN rating_v = 0 AND draw(h, 58, 100) < 2 THEN pick('rare_ratings', h, 44)
            WHEN is_movie THEN item('movie_ratings', draw(h, 44, 536870912) + rating_v)
            ELSE item('show_ratings', draw(h, 44, 536870912) + rating_v)
        END AS rating,
        CASE
            WHEN is_movie THEN 55 + draw(h, 45, 30) + draw(h, 46, 30) + draw(h, 47, 32)
            ELSE pick('seasons', h, 45)
        END + duration_v AS length,
        CASE
            WHEN is_movie THEN pick('movie_genre_sets', h, 48) ELSE pick('show_genre_sets', h, 48)
        END AS listed_in,
        concat(
            pick('openings', h, 51), ', a ', pick('tones', h, 52), ' ', pick('heroes', h, 53),
            ' from ', pick('places', h, 54), ' ', pick('goals', h, 55), '.',
            CASE WHEN breaks_line AND id % 2 = 0 THEN e'\n' ELSE ' ' END,
            item('twists', draw(h, 56, 536870912) + description_v)
        ) AS description,
    FROM drawn
),
finished AS (
    SELECT
        id,
        CASE WHEN is_movie THEN 'Movie' ELSE 'TV Show' END AS type,
        title,
        director,
        cast_list,
        country,
        date_added,
        release_year,
        CASE WHEN is_shifted THEN length || ' min' ELSE rating END AS rating,
        CASE
            WHEN is_shifted THEN NULL
            WHEN is_movie THEN length || ' min'
            WHEN length = 1 THEN '1 Season'
            ELSE length || ' Seasons'
        END AS duration,
        listed_in,
        description,
        is_cp1252,
    FROM built
),
lines AS (
    SELECT
        *,
        concat_ws(
            ',',
            's' || id, type, csv_field(title), csv_field(director), csv_field(cast_list),
            csv_field(country), csv_field(date_added), release_year, rating, coalesce(duration, ''),
            csv_field(listed_in), csv_field(description)
        ) AS line,
    FROM finished
)
SELECT
    -- 0x01 marks a line that is to become Windows-1252
    concat(CASE WHEN is_cp1252 THEN chr(1) END, line, e',,,,,,,,,,,,,,\r\n') AS line,
    type = 'Movie' AS is_movie,
    contains(line, e'\n') AS has_line_feed,
    rating LIKE '% min' AS has_duration_in_rating,
    date_added LIKE ' %' AS has_leading_blank,
    country LIKE ',%' OR country LIKE '%,' AS has_stray_comma,
    date_added IS NULL AS has_no_date,
    director IS NULL AS has_no_director,
    cast_list = '' AS has_no_cast,
    country IS NULL AS has_no_country,
FROM lines;

CREATE OR REPLACE TEMP TABLE part AS
FROM sample_part(1, 0);

CREATE OR REPLACE TEMP MACRO counts_of_part() AS TABLE
SELECT
    count(*) AS rows,
    count(*) FILTER (WHERE is_movie) AS movies,
    count(*) FILTER (WHERE NOT is_movie) AS tv_shows,
    count(*) FILTER (WHERE has_line_feed) AS line_feed_records,
    count(*) FILTER (WHERE has_duration_in_rating) AS durations_in_rating,
    count(*) FILTER (WHERE has_leading_blank) AS leading_blanks,
    count(*) FILTER (WHERE has_stray_comma) AS stray_commas,
    count(*) FILTER (WHERE has_no_date) AS missing_dates,
    count(*) FILTER (WHERE has_no_director) AS missing_directors,
    count(*) FILTER (WHERE has_no_cast) AS missing_casts,
    count(*) FILTER (WHERE has_no_country) AS missing_countries,
FROM part;
